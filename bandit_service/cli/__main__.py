"""`python -m bandit_service.cli`, where the command itself is not on the path."""

from bandit_service.cli import main

if __name__ == "__main__":
    main()
