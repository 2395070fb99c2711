import subprocess

subprocess.run(["make"], check=True)
