"""``python -m suitcase.nxstxm``: the command where no script folder is on the path."""

from suitcase.nxstxm.cli import main

if __name__ == "__main__":
    raise SystemExit(main())
