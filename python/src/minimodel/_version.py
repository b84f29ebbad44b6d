"""Version of this package, which is that of the program: `version` in the workspace's Cargo.toml."""

__version__ = "0.1.0"
