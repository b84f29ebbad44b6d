"""Takes the model files out of wheels, completes a header of which the rest is missing, and writes tensors as GGUF."""

import sys
import zipfile
from pathlib import Path

import numpy as np
from gguf import GGMLQuantizationType, GGUFReader, GGUFWriter
from gguf.quants import QuantError, quantize
from safetensors.numpy import load_file

ENDINGS = (".safetensors", ".onnx", ".gguf", ".jit")


def main(wheels: Path, files: Path) -> None:
    for wheel in sorted(wheels.glob("*.whl")):
        with zipfile.ZipFile(wheel) as packed:
            for name in packed.namelist():
                data = packed.read(name) if name.endswith(ENDINGS) or "part" in Path(name).name else b""
                if name.endswith(ENDINGS):
                    (files / f"{wheel.name.split('-')[0]}-{Path(name).name}").write_bytes(data)
                elif data.startswith(b"GGUF"):
                    complete(data, files / f"{wheel.name.split('-')[0]}.gguf")
    for source in sorted(files.glob("silero_vad*.safetensors")):
        as_gguf(load_file(source), files)


def complete(head: bytes, path: Path) -> None:
    """The first part of a file; what is missing is a hole of zeros, as long as the header says."""
    path.write_bytes(head)
    # The reader maps the file, so it is made longer than any tensor needs first.
    with path.open("r+b") as file:
        file.truncate(1 << 34)
    tensors = GGUFReader(path).tensors
    end = max(tensor.data_offset + tensor.n_bytes for tensor in tensors)
    with path.open("r+b") as file:
        file.truncate(int(end))


def as_gguf(tensors: dict[str, np.ndarray], files: Path) -> None:
    for kind in GGMLQuantizationType:
        # Rows of whole blocks, whatever the type.
        rows = {name: data.reshape(-1, 256) for name, data in tensors.items() if data.size % 256 == 0}
        path = files / f"silero-{kind.name}.gguf"
        writer = GGUFWriter(path, "llama")
        writer.add_name("Silero VAD")
        writer.add_license("mit")
        written = 0
        for name, data in rows.items():
            try:
                raw = quantize(data.astype(np.float32), kind)
            except (NotImplementedError, QuantError):
                continue
            is_plain = kind in (GGMLQuantizationType.F32, GGMLQuantizationType.F16)
            writer.add_tensor(name, raw, raw_dtype=None if is_plain else kind)
            written += 1
        if written == 0:
            path.unlink(missing_ok=True)
            continue
        writer.write_header_to_file()
        writer.write_kv_data_to_file()
        writer.write_tensors_to_file()
        writer.close()


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
