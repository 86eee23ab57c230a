"""The C library: found, loaded, its functions declared."""

from __future__ import annotations

import ctypes
import os
import pathlib

#: The ABI this package is written for.
ABI = 0

# One letter a type: p handle or pointer, P place for a handle, s string, b bytes, n size_t, N place for a size_t,
# i int32, I place for an int32, l int64, U uint64, g progress, c counters.
_TYPES = {
    "p": ctypes.c_void_p,
    "P": ctypes.POINTER(ctypes.c_void_p),
    "s": ctypes.c_char_p,
    "b": ctypes.c_char_p,
    "n": ctypes.c_size_t,
    "N": ctypes.POINTER(ctypes.c_size_t),
    "i": ctypes.c_int32,
    "I": ctypes.POINTER(ctypes.c_int32),
    "l": ctypes.c_int64,
    "U": ctypes.c_uint64,
    "g": ctypes.c_void_p,
    "c": ctypes.c_void_p,
}


class Progress(ctypes.Structure):
    """``cldoci_progress``: how far an operation is. No number ever goes back."""

    _fields_ = [
        ("struct_size", ctypes.c_size_t),
        ("phase", ctypes.c_int32),
        ("reserved", ctypes.c_int32),
        ("bytes_done", ctypes.c_uint64),
        ("bytes_total", ctypes.c_uint64),
        ("entries_done", ctypes.c_uint64),
        ("entries_total", ctypes.c_uint64),
    ]


class Counters(ctypes.Structure):
    """``cldoci_counters``: what an operation cost."""

    _fields_ = [("struct_size", ctypes.c_size_t)] + [
        (name, ctypes.c_uint64)
        for name in (
            "requests", "bytes_sent", "bytes_received", "blobs_skipped", "blobs_mounted", "blobs_uploaded",
            "retries", "elapsed_ms",
        )
    ]


# The inputs of every verb between the client and the options.
VERBS = {
    "build": "ssbn", "build_and_push": "ssbnp", "push": "pp", "pull": "ps", "pull_config": "p", "exists": "p", "resolve": "p", "tag": "pp",
    "copy": "pp", "list_tags": "p", "inspect": "p", "read_manifest": "p", "delete": "p", "attach": "pp", "referrers": "p",
    "collect_garbage": "p", "login": "sss", "logout": "s",
    "read_layer": "pn", "save_layer": "pni",
}

_TEXTS_OF_ARTIFACT = ("type", "reference", "digest", "media_type", "config_media_type", "config_digest", "subject")

_FUNCTIONS = {
    "version_string": "s:", "abi_version": "i:", "status_name": "s:i", "debug_live_handles": "U:i", "wait_idle": "i:lP",
    "error_status": "i:p", "error_message": "s:pN", "error_http_status": "i:p", "error_registry_code": "s:pN",
    "error_registry_error_count": "n:p", "error_registry_error_code": "s:pnN",
    "error_registry_error_message": "s:pnN", "error_registry_error_detail": "s:pnN",
    "error_errno": "i:p", "error_retryable": "i:p", "error_retry_after_ms": "l:p", "error_free": "i:p",
    "options_new": "i:PP", "options_set": "i:pssP", "options_set_pair": "i:psssP", "options_set_host": "i:psssP",
    "options_set_credential_callback": "i:ppppP", "options_set_log_callback": "i:pipppP",
    "credential_set_basic": "i:pssP", "credential_set_identity_token": "i:pssP",
    "credential_action": "i:p", "credential_set_registry_token": "i:psP", "credential_set_failure": "i:psP",
    "options_free": "i:p", "option_count": "n:", "option_name": "s:n", "option_type": "s:n", "option_scope": "s:n",
    "option_default": "s:n", "option_values": "s:n", "option_help": "s:n",
    "client_new": "i:pPP", "client_free": "i:p",
    "reference_parse": "i:sPP", "reference_layout": "i:sssPP", "reference_free": "i:p",
    **{f"reference_{part}": "s:pN" for part in ("registry", "repository", "tag", "digest", "path", "string")},
    "artifact_builder_new": "i:psPP", "artifact_builder_set_config": "i:psbnP",
    "artifact_builder_add_bytes": "i:psbnP", "artifact_builder_add_file": "i:pssP",
    "artifact_builder_add_layer": "i:pspnP", "artifact_builder_set_annotation": "i:pssP",
    "artifact_builder_set_layer_annotation": "i:pnssP", "artifact_builder_finish": "i:pPP",
    "artifact_builder_free": "i:p",
    "operation_wait": "i:plP", "operation_progress": "i:pgP", "operation_cancel": "i:pP",
    "operation_open_descriptor": "i:pIP", "operation_result": "i:pPP", "operation_free": "i:p",
    "result_digest": "s:pN", "result_media_type": "s:pN", "result_size": "U:p", "result_exists": "i:p",
    "result_artifact": "i:pPP", "result_bytes": "p:pN", "result_tag_count": "n:p", "result_tag": "s:pnN",
    "result_referrer_count": "n:p", "result_referrer_digest": "s:pnN", "result_referrer_media_type": "s:pnN",
    "result_referrer_artifact_type": "s:pnN", "result_referrer_size": "U:pn",
    "result_referrer_annotation_count": "n:pn", "result_referrer_annotation_key": "s:pnnN",
    "result_referrer_annotation_value": "s:pnnN", "result_left_out_total": "U:p",
    "result_entry_count": "n:p", "result_entry_digest": "s:pnN", "result_entry_media_type": "s:pnN",
    "result_entry_artifact_type": "s:pnN", "result_entry_platform": "s:pnN", "result_entry_size": "U:pn",
    "result_left_out_count": "n:p", "result_left_out_path": "s:pnN", "result_left_out_reason": "s:pnN",
    "result_warning_count": "n:p", "result_warning": "s:pnN", "result_counters": "i:pcP", "result_unchanged": "i:p",
    "result_credential_source": "s:pN", "result_free": "i:p",
    "artifact_manifest": "p:pN", "artifact_config": "p:pN", "artifact_config_size": "U:p",
    "artifact_layer_count": "n:p", "artifact_layer_media_type": "s:pnN", "artifact_layer_digest": "s:pnN",
    "artifact_layer_size": "U:pn", "artifact_annotation_count": "n:p", "artifact_annotation_key": "s:pnN",
    "artifact_annotation_value": "s:pnN", "artifact_layer_annotation_count": "n:pn",
    "artifact_layer_annotation_key": "s:pnnN", "artifact_layer_annotation_value": "s:pnnN", "artifact_free": "i:p",
    **{f"artifact_{name}": "s:pN" for name in _TEXTS_OF_ARTIFACT},
    **{f"{verb}_start": f"i:p{inputs}pPP" for verb, inputs in VERBS.items()},
}


def _load() -> ctypes.CDLL:
    named = os.environ.get("CLDOCI_LIBRARY")
    carried = sorted(pathlib.Path(__file__).parent.glob("libcldoci.so*"))
    path = named or (str(carried[-1]) if carried else f"libcldoci.so.{ABI}")
    try:
        library = ctypes.CDLL(path)
    except OSError as error:
        raise ImportError(
            f"cldoci's C library does not load ({error}); install it (make install, then ldconfig) or name it in "
            "CLDOCI_LIBRARY"
        ) from None
    for name, signature in _FUNCTIONS.items():
        result, _, arguments = signature.partition(":")
        function = getattr(library, f"cldoci_{name}")
        function.restype = _TYPES[result]
        function.argtypes = [_TYPES[letter] for letter in arguments]
    found = library.cldoci_abi_version()
    if found != ABI:
        raise ImportError(f"{path} has ABI {found}, this package needs {ABI}")
    return library


C = _load()
