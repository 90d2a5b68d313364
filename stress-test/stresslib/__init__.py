"""What the tools of this folder share. Standard library only, Python 3.9 and newer."""
