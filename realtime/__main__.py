"""python -m realtime: the same as the command swapcam."""

from realtime.cli import main

main()
