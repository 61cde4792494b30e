"""Prints requirements.lock from what is installed: python -m tests.lock (make lock)

Every package with its version and no address; packages of one platform carry a marker.
"""

from importlib.metadata import distributions

APPLE = "sys_platform == 'darwin' and platform_machine == 'arm64'"
MARKERS = {
    "bitsandbytes": "sys_platform == 'linux'",
    "mlx": f"sys_platform == 'linux' or ({APPLE})",
    "mlx-cpu": "sys_platform == 'linux'",
    "mlx-lm": f"sys_platform == 'linux' or ({APPLE})",
    "mlx-metal": APPLE,
}
LEFT_OUT = {"pip", "setuptools", "wheel"}


def lines() -> list[str]:
    """One pin a package; `torch 2.13.0+cpu` is pinned as 2.13.0, so that any platform finds its build."""
    found = {d.metadata["Name"].lower().replace("_", "-"): d.version.split("+")[0] for d in distributions()}
    if "mlx" in found:
        found["mlx-metal"] = found["mlx"]  # the other platform's half of mlx
        found["mlx-cpu"] = found["mlx"]
    return [f"{name}=={version}" + (f"; {MARKERS[name]}" if name in MARKERS else "")
            for name, version in sorted(found.items()) if name not in LEFT_OUT]


if __name__ == "__main__":
    print("# Every package that callsmith and its tests use, with its version; pyproject.toml names those used directly.")
    print("\n".join(lines()))
