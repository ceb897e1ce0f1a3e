"""A file as an array in C: python examples/device/c_array.py NETWORK.tflite > network.h."""

import sys
from pathlib import Path


def c_array(content: bytes, name: str = "network") -> str:
    """The bytes, aligned as tflite-micro and LiteRT want them, and their number, `NAME_size`."""
    rows = (", ".join(f"0x{byte:02x}" for byte in content[n : n + 16]) for n in range(0, len(content), 16))
    body = ",\n".join(f"    {row}" for row in rows)
    return (
        f"#include <stddef.h>\n\n_Alignas(64) static const unsigned char {name}[] = {{\n{body}\n}};\n"
        f"static const size_t {name}_size = {len(content)};\n"
    )


if __name__ == "__main__":
    print(c_array(Path(sys.argv[1]).read_bytes()), end="")
