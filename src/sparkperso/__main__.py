"""`python -m sparkperso` is the command `sparkperso`."""

from sparkperso.cli.main import main

if __name__ == "__main__":
    main()
