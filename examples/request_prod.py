"""Ask for Production, and say where it can be followed. Reads INDENT_SPACE and INDENT_API_TOKEN."""

from indentapi import IndentAPI

with IndentAPI() as indent:
    production = [
        each
        for each in indent.resource.list(view="requestable")
        if each.get("displayName") == "Production"
    ]
    petition = indent.petition.create(reason="to debug production", resources=production)
    print(f"Requested: indent.com/access/{petition['spaceName']}/{petition['name']}")
