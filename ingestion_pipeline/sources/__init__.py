"""Where content comes from: code hosts, and git itself.

Belongs here: talking to a host, fetching a repository, listing and reading its files. Does not
belong here: what a file means (``parse``), when to look (``freshness``), what was written
(``state``). A reference that a person typed goes in; a ``HostedRepository``, heads, tree entries
and file contents come out. Hosts never know each other; all of them may use ``sources.git``.
"""
