"""The local web page that starts, shows and steers the loop."""
