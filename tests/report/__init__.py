"""What the report's tests share: a made-up run, and a browser to open the page in."""
