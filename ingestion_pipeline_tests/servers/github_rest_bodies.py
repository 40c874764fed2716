"""REST bodies of the fake GitHub, complete enough for the official response schemas."""

from typing import Any

from ingestion_pipeline_tests.servers.github_state import FakeRepository, Limit

DOCS = "https://docs.github.com/rest"

_URL_SUFFIXES = {
    "archive_url": "/{archive_format}{/ref}",
    "assignees_url": "/assignees{/user}",
    "blobs_url": "/git/blobs{/sha}",
    "branches_url": "/branches{/branch}",
    "collaborators_url": "/collaborators{/collaborator}",
    "comments_url": "/comments{/number}",
    "commits_url": "/commits{/sha}",
    "compare_url": "/compare/{base}...{head}",
    "contents_url": "/contents/{+path}",
    "contributors_url": "/contributors",
    "deployments_url": "/deployments",
    "downloads_url": "/downloads",
    "events_url": "/events",
    "forks_url": "/forks",
    "git_commits_url": "/git/commits{/sha}",
    "git_refs_url": "/git/refs{/sha}",
    "git_tags_url": "/git/tags{/sha}",
    "hooks_url": "/hooks",
    "issue_comment_url": "/issues/comments{/number}",
    "issue_events_url": "/issues/events{/number}",
    "issues_url": "/issues{/number}",
    "keys_url": "/keys{/key_id}",
    "labels_url": "/labels{/name}",
    "languages_url": "/languages",
    "merges_url": "/merges",
    "milestones_url": "/milestones{/number}",
    "notifications_url": "/notifications{?since,all,participating}",
    "pulls_url": "/pulls{/number}",
    "releases_url": "/releases{/id}",
    "stargazers_url": "/stargazers",
    "statuses_url": "/statuses/{sha}",
    "subscribers_url": "/subscribers",
    "subscription_url": "/subscription",
    "tags_url": "/tags",
    "teams_url": "/teams",
    "trees_url": "/git/trees{/sha}",
}
_OWNER_URL_SUFFIXES = {
    "events_url": "/events{/privacy}",
    "followers_url": "/followers",
    "following_url": "/following{/other_user}",
    "gists_url": "/gists{/gist_id}",
    "organizations_url": "/orgs",
    "received_events_url": "/received_events",
    "repos_url": "/repos",
    "starred_url": "/starred{/owner}{/repo}",
    "subscriptions_url": "/subscriptions",
}
_COUNTS = (
    "forks",
    "forks_count",
    "network_count",
    "open_issues",
    "open_issues_count",
    "stargazers_count",
    "subscribers_count",
    "watchers",
    "watchers_count",
)


def make_repository(
    repository: FakeRepository, api_url: str, clone_url_base: str
) -> dict[str, Any]:
    """Return ``full-repository``."""
    owner, name = repository.full_name.split("/")
    url = f"{api_url}/repos/{repository.full_name}"
    web_url = f"{clone_url_base}/{repository.full_name}"
    return {
        "id": repository.number,
        "node_id": repository.node_id,
        "name": name,
        "full_name": repository.full_name,
        "owner": make_user(owner, api_url),
        "private": repository.private,
        "visibility": "private" if repository.private else "public",
        "html_url": web_url,
        "description": None,
        "fork": False,
        "url": url,
        **{key: url + suffix for key, suffix in _URL_SUFFIXES.items()},
        "clone_url": f"{web_url}.git",
        "git_url": f"git://github.test/{repository.full_name}.git",
        "ssh_url": f"git@github.test:{repository.full_name}.git",
        "svn_url": web_url,
        "mirror_url": None,
        "homepage": None,
        "language": None,
        "license": None,
        "default_branch": repository.default_branch,
        "size": repository.size_kib,
        "topics": [],
        "archived": repository.archived,
        "disabled": repository.disabled,
        **dict.fromkeys(("has_issues", "has_projects", "has_wiki"), True),
        **dict.fromkeys(("has_pages", "has_discussions"), False),
        **dict.fromkeys(_COUNTS, 0),
        "pushed_at": repository.pushed_at,
        "created_at": "2020-01-01T00:00:00Z",
        "updated_at": "2020-01-01T00:00:00Z",
    }


def make_user(login: str, api_url: str) -> dict[str, Any]:
    """Return ``simple-user``."""
    url = f"{api_url}/users/{login}"
    return {
        "login": login,
        "id": 1,
        "node_id": "U_kgDOAAAAAQ",
        "avatar_url": f"{api_url}/avatars/{login}",
        "gravatar_id": "",
        "url": url,
        "html_url": f"{api_url}/{login}",
        **{key: url + suffix for key, suffix in _OWNER_URL_SUFFIXES.items()},
        "type": "User",
        "site_admin": False,
    }


def make_branch(full_name: str, branch: str, sha: str, api_url: str) -> dict[str, Any]:
    """Return ``branch-with-protection``."""
    owner = full_name.split("/")[0]
    url = f"{api_url}/repos/{full_name}"
    person = {"name": owner, "email": f"{owner}@example.com", "date": "2020-01-01T00:00:00Z"}
    tree = "4b825dc642cb6eb9a060e54bf8d69288fbee4904"
    commit = {
        "sha": sha,
        "node_id": f"C_{sha[:12]}",
        "url": f"{url}/commits/{sha}",
        "html_url": f"{url}/commit/{sha}",
        "comments_url": f"{url}/commits/{sha}/comments",
        "author": make_user(owner, api_url),
        "committer": make_user(owner, api_url),
        "parents": [],
        "commit": {
            "author": person,
            "committer": person,
            "message": "A commit",
            "comment_count": 0,
            "tree": {"sha": tree, "url": f"{url}/git/trees/{tree}"},
            "url": f"{url}/git/commits/{sha}",
        },
    }
    link = f"{url}/branches/{branch}"
    return {
        "name": branch,
        "commit": commit,
        "_links": {"self": link, "html": f"{api_url}/{full_name}/tree/{branch}"},
        "protected": False,
        "protection": {"enabled": False},
        "protection_url": f"{link}/protection",
    }


def make_rate_limits(limits: dict[str, Limit], core: str, reset: int) -> dict[str, Any]:
    """Return ``rate-limit-overview``; ``core`` names the bucket of REST for this caller."""

    def show(limit: Limit) -> dict[str, int]:
        return {
            "limit": limit.limit,
            "used": limit.used,
            "remaining": limit.remaining,
            "reset": reset,
        }

    rest = show(limits[core])
    resources = {"core": rest, "graphql": show(limits["graphql"]), "search": show(Limit(30))}
    return {"resources": resources, "rate": rest}


def make_error(status: int, message: str, **extra: Any) -> dict[str, Any]:
    """Return ``basic-error``."""
    return {"message": message, "documentation_url": DOCS, "status": str(status), **extra}
