"""What of the member set may be published, and when.

Pure: time is an argument. ``selection`` chooses the members, ``timing`` the moment.
"""
