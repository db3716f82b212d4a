"""Whether the search of the built documentation finds what people look for: `_search.py FOLDER`."""

import json
import re
import sys
from pathlib import Path

WANTED = {
    "jwt": "how-to/auth/",
    "sign-in": "learn/sign-in/",
    "kubernetes": "how-to/kubernetes/",
    "docker": "how-to/docker/",
    "prometheus": "monitoring/",
    "turn": "turn/",
    "react": "client/",
    "livekit": "coming-from/",
    "echo": "learn/echo/",
    "origin_refused": "how-to/troubleshooting/",
}
"""By word: a page that has it in the title of a section; of the last one, anywhere."""


def main() -> None:
    index = json.loads((Path(sys.argv[1]) / "search/search_index.json").read_text("utf-8"))
    missing = []
    for word, page in WANTED.items():
        pattern = re.compile(rf"(?<!\w){re.escape(word)}(?!\w)", re.IGNORECASE)
        field = "text" if "_" in word else "title"
        sections = [one for one in index["docs"] if one["location"].startswith(page)]
        if not any(pattern.search(one[field]) for one in sections):
            missing.append(f"{word!r} in {page}")
    if missing:
        raise SystemExit(f"The search does not find {', '.join(missing)}.")


if __name__ == "__main__":
    main()
