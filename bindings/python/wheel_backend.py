"""Builds the wheel without any dependency (PEP 517): the package, and the library that CLDOCI_LIBRARY names."""

import base64
import hashlib
import os
import pathlib
import platform
import re
import subprocess
import zipfile

HERE = pathlib.Path(__file__).parent


def _project(name):
    return re.search(rf'^{name} = "(.*)"$', (HERE / "pyproject.toml").read_text(), re.M).group(1)


def _tag(library):
    """The wheel's platform: the newest glibc symbol that the library asks for, read from the library itself."""
    symbols = subprocess.run(["objdump", "-T", library], check=True, capture_output=True, text=True).stdout
    versions = [tuple(map(int, found)) for found in re.findall(r"GLIBC_(\d+)\.(\d+)", symbols)]
    major, minor = max(versions, default=(2, 17))
    return f"manylinux_{major}_{minor}_{platform.machine()}"


def build_wheel(wheel_directory, config_settings=None, metadata_directory=None):
    version = _project("version")
    library = os.environ.get("CLDOCI_LIBRARY")
    tag = f"py3-none-{_tag(library) if library else 'any'}"
    info = f"cldoci-{version}.dist-info"
    files = {f"cldoci/{path.name}": path.read_bytes() for path in sorted((HERE / "cldoci").iterdir()) if path.is_file() and path.suffix != ".so"}
    if library:
        files["cldoci/libcldoci.so"] = pathlib.Path(library).read_bytes()
    for licence in ("LICENSE-APACHE", "LICENSE-MIT", "THIRD-PARTY"):
        files[f"{info}/licenses/{licence}"] = (HERE.parent.parent / licence).read_bytes()
    files[f"{info}/METADATA"] = (
        f"Metadata-Version: 2.1\nName: cldoci\nVersion: {version}\nSummary: {_project('description')}\n"
        f"License: {_project('license')}\nRequires-Python: {_project('requires-python')}\n"
        f"Description-Content-Type: text/markdown\n\n{(HERE / 'README.md').read_text()}"
    ).encode()
    pure = "false" if library else "true"
    files[f"{info}/WHEEL"] = f"Wheel-Version: 1.0\nGenerator: cldoci\nRoot-Is-Purelib: {pure}\nTag: {tag}\n".encode()
    record = ""
    for name, content in files.items():
        digest = base64.urlsafe_b64encode(hashlib.sha256(content).digest()).rstrip(b"=").decode()
        record += f"{name},sha256={digest},{len(content)}\n"
    files[f"{info}/RECORD"] = f"{record}{info}/RECORD,,\n".encode()
    name = f"cldoci-{version}-{tag}.whl"
    with zipfile.ZipFile(pathlib.Path(wheel_directory) / name, "w", zipfile.ZIP_DEFLATED) as wheel:
        for path, content in files.items():
            # The same bytes on every day.
            entry = zipfile.ZipInfo(path, (1980, 1, 1, 0, 0, 0))
            wheel.writestr(entry, content, zipfile.ZIP_DEFLATED)
    return name
