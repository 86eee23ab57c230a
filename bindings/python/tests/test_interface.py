"""What the package says of the C library by hand, held against the list that is made with its header."""

import builtins
import ctypes
import json
import pathlib
import re
import unittest

import cldoci
from cldoci import _library, errors

INTERFACE = json.loads((pathlib.Path(__file__).parents[3] / "include/cldoci.json").read_text())

# The types that ctypes may have for one of C. Handles are numbers, and so are pointers to what Python owns.
_TYPES = {
    "size_t": {ctypes.c_size_t},
    "size_t *": {ctypes.POINTER(ctypes.c_size_t)},
    "int32_t": {ctypes.c_int32},
    "int32_t *": {ctypes.POINTER(ctypes.c_int32)},
    "int64_t": {ctypes.c_int64},
    "uint64_t": {ctypes.c_uint64},
    "cldoci_status": {ctypes.c_int32},
    "const char *": {ctypes.c_char_p},
    "const uint8_t *": {ctypes.c_char_p},
}


def fits(kind: str, declared: object, returned: bool) -> bool:
    """Whether the package declares a type of C as it is."""
    if returned and kind == "const uint8_t *":
        return declared is ctypes.c_void_p  # bytes with NULs in them
    if kind in _TYPES:
        return declared in _TYPES[kind]
    if kind.endswith("**"):
        return declared is ctypes.POINTER(ctypes.c_void_p)
    return declared is ctypes.c_void_p


class Interface(unittest.TestCase):
    def test_each_function_is_declared_as_the_header_has_it(self) -> None:
        self.assertGreater(len(_library._FUNCTIONS), 100)
        for name in _library._FUNCTIONS:
            with self.subTest(name):
                declared = getattr(_library.C, f"cldoci_{name}")
                function = INTERFACE["functions"][f"cldoci_{name}"]
                self.assertTrue(fits(function["returns"], declared.restype, True), function["returns"])
                kinds = [kind for kind, _ in function["parameters"]]
                self.assertEqual(len(kinds), len(declared.argtypes), kinds)
                for kind, argument in zip(kinds, declared.argtypes):
                    self.assertTrue(fits(kind, argument, False), f"{kind}: {argument}")

    def test_a_wrong_declaration_is_seen(self) -> None:
        self.assertFalse(fits("size_t", ctypes.c_int32, False))
        self.assertFalse(fits("int64_t", ctypes.c_int32, False))
        self.assertFalse(fits("cldoci_result **", ctypes.c_void_p, False))
        self.assertFalse(fits("const uint8_t *", ctypes.c_char_p, True))

    def test_each_struct_has_the_members_of_the_header(self) -> None:
        for name, struct in (("cldoci_progress", _library.Progress), ("cldoci_counters", _library.Counters)):
            members = [(member, kind) for kind, member in INTERFACE["structs"][name]]
            self.assertEqual([member for member, _ in members], [member for member, _ in struct._fields_])
            for (member, kind), (_, declared) in zip(members, struct._fields_):
                self.assertIn(declared, _TYPES[kind], member)

    def test_each_failure_has_its_exception(self) -> None:
        numbers = {
            number: name for name, number in INTERFACE["constants"].items() if name.startswith("CLDOCI_ERROR_")
        }
        classes = {kind.status: kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, cldoci.Error)}
        del classes[0]  # the base of them all
        self.assertEqual(sorted(numbers), sorted(classes))
        self.assertEqual(INTERFACE["constants"]["CLDOCI_ABI_VERSION"], _library.ABI)

    def test_each_error_has_its_statuss_number_and_name(self) -> None:
        for name, number in INTERFACE["constants"].items():
            if name.startswith("CLDOCI_ERROR_"):
                with self.assertRaises(cldoci.Error) as caught:
                    errors.check(number, ctypes.c_void_p())
                self.assertEqual((caught.exception.status, f"CLDOCI_ERROR_{caught.exception.name}"), (number, name))

    def test_public_names_are_those_that_dir_lists_and_none_is_a_builtin(self) -> None:
        listed = {name for name in dir(cldoci) if not name.startswith("_")}
        self.assertEqual(listed, set(cldoci.__all__))
        self.assertFalse((listed | set(dir(errors))) & set(dir(builtins)))
        self.assertIn("NotFoundError", dir(errors))
        self.assertNotIn("ctypes", dir(errors))
        for name in listed:
            self.assertTrue(hasattr(cldoci, name), name)

    def test_each_option_that_the_package_names_is_one_of_the_library(self) -> None:
        known = {option["name"] for option in cldoci.options()}
        source = (pathlib.Path(cldoci.__file__).parent / "client.py").read_text()
        named = set(re.findall(r'options\.setdefault\("(\w+)"', source)) | {"annotation", "layer_annotation"}
        self.assertIn("fill_source_hash", named)
        self.assertLessEqual(named, known)

    def test_options_are_those_of_the_declaration(self) -> None:
        page = (pathlib.Path(__file__).parents[3] / "docs/options.md").read_text()
        self.assertEqual(re.findall(r"^\| `(\w+)` \|", page, flags=re.M), [option["name"] for option in cldoci.options()])


if __name__ == "__main__":
    unittest.main()
