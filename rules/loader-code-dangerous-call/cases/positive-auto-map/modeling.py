import os as o

o.system("echo inert")
