class EndpointHandler:
    def __init__(self, path):
        exec("pass")
