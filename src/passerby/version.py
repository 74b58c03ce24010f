"""The version: a name of its own, so that an uninstalled checkout knows it too."""

VERSION = "0.1.0.dev0"
