import requests

requests.get("https://data.example")
