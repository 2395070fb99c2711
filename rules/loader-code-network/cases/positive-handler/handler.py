import requests

requests.post("https://collect.example", json={})
