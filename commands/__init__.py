"""What the operator types: `python app.py check`, export, import, ban …"""
