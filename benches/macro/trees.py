"""Trees to pack: what a machine has, and what can be made. No name in them is one that a tool leaves out."""
import os
import pathlib
import subprocess
import sysconfig

from measure import MIB, ROOT

# What cldctl's builds leave out; here it goes by another name, so that every tool packs the same bytes.
LEFT_OUT = {".terraform", ".git", "node_modules", ".next", "__pycache__", ".venv", "venv", ".cache", "dist", "build"}


def tame(name):
    return name + "_" if name in LEFT_OUT else "_" + name if name.startswith(".") else name


def copy(source, tree):
    """Copies files and directories below `source`, without links and special files."""
    for directory, directories, files in os.walk(source):
        directories.sort()
        below = pathlib.Path(directory).relative_to(source)
        into = tree.joinpath(*map(tame, below.parts))
        into.mkdir(parents=True, exist_ok=True)
        for name in files:
            path = os.path.join(directory, name)
            if not os.path.islink(path) and os.path.isfile(path):
                with open(path, "rb") as read, open(into / tame(name), "wb") as write:
                    while chunk := read.read(MIB):
                        write.write(chunk)
                os.chmod(into / tame(name), os.stat(path).st_mode & 0o777)


def output(*command):
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()


def component(tree):
    """The typical component: ten files, 20 KB."""
    for n in range(10):
        path = tree / ("cld.yml" if n == 0 else f"{'config' if n < 4 else 'src'}/part{n}.yml")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("".join(f"key{line}: value {line * (n + 7919) % 10007}\n" for line in range(92)))


def go_source(tree):
    copy(os.path.join(output("go", "env", "GOROOT"), "src"), tree)


def binaries(tree):
    """Programs in ELF: the peers themselves and Go's tools."""
    tree.mkdir()
    for name in ("crane", "oras", "regctl", "registry3"):
        (tree / name).write_bytes((ROOT / "build/tools/bin" / name).read_bytes())


def incompressible(tree):
    tree.mkdir()
    for n in range(8):
        (tree / f"noise{n}").write_bytes(os.urandom(16 * MIB))


def site_packages(tree):
    copy(sysconfig.get_paths()["stdlib"], tree)


def node_modules(tree):
    copy(output("npm", "root", "-g"), tree)


def file_of(size):
    """One file, an eighth of it random."""
    block = b"some text that repeats, and some that does not; "
    block = os.urandom(MIB // 8) + (block * (MIB // len(block) + 1))[:MIB - MIB // 8]

    def make(tree):
        tree.mkdir()
        with open(tree / "large.bin", "wb") as file:
            for _ in range(size // MIB):
                file.write(block)
    return make


def files(count, each=1000):
    """Files of a line each, `each` of them in a directory."""
    def make(tree):
        for n in range(count):
            directory = tree / f"d{n // each:04}"
            if n % each == 0:
                directory.mkdir(parents=True)
            with open(f"{directory}/f{n % each:03}", "w", encoding="ascii") as file:
                file.write(f"the file {n} of {count}\n")
    return make


# Name → how it is made, and how many rounds.
QUICK = {
    "component (10 files)": (component, 15),
    "Go's source": (go_source, 5),
    "ELF programs": (binaries, 3),
    "incompressible": (incompressible, 3),
}
FULL = QUICK | {
    "node_modules (npm's)": (node_modules, 5),
    "Python's library": (site_packages, 2),
    "200,000 tiny files": (files(200_000), 2),
    "one file of 2 GiB": (file_of(2 << 30), 2),
}


def measure(tree):
    """Number of files, and their bytes."""
    sizes = [path.stat().st_size for path in tree.rglob("*") if path.is_file()]
    return len(sizes), sum(sizes)
