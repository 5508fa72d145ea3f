"""Files that are too large for JSON, from the command line and back."""

import io
import json
import subprocess
import sys
from pathlib import Path

from PIL import Image

from services.runtime import ids
from tests.harness.stack import Stack
from tests.system import samples


def scrip(stack: Stack, *arguments: str) -> str:
    """What a command prints."""
    command = [sys.executable, "-m", "services.cli", *arguments, "--data-dir", str(stack.folder)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_a_large_file_goes_to_a_tool_and_comes_back(stack: Stack, tmp_path: Path) -> None:
    """Uploaded by hand or by `execute --file`; downloaded as it was."""
    content = samples.pdf(samples.TEXT).replace(
        b"%PDF-1.4", b"%PDF-1.4\n%" + ids.random_bytes(2_500_000).hex().encode()
    )
    (tmp_path / "large.pdf").write_bytes(content)
    executed = json.loads(scrip(stack, "execute", "pdf-to-text", "--file", f"pdf={tmp_path / 'large.pdf'}", "--json"))
    assert samples.TEXT in executed["output"]["text"]
    assert executed["credits"]["captured"] == "8"
    file_id = scrip(stack, "files", "upload", str(tmp_path / "large.pdf")).strip()
    again = scrip(stack, "execute", "pdf-to-text", "--input", json.dumps({"pdf": f"file:{file_id}"}), "--json")
    assert json.loads(again)["output"] == executed["output"]
    scrip(stack, "files", "get", file_id, "-o", str(tmp_path / "back.pdf"))
    assert (tmp_path / "back.pdf").read_bytes() == content


def test_a_large_file_of_an_output_is_saved(stack: Stack, tmp_path: Path) -> None:
    """By `execute --save`; got and deleted by its id."""
    out = io.BytesIO()
    Image.frombytes("RGB", (200, 200), ids.random_bytes(120_000)).save(out, "PNG")
    (tmp_path / "noise.png").write_bytes(out.getvalue())
    arguments = ("execute", "resize-image", "--file", f"image={tmp_path / 'noise.png'}", "--input", '{"width": 400}')
    made = json.loads(scrip(stack, *arguments, "--save", str(tmp_path / "saved")))
    assert made["image"] == str(tmp_path / "saved" / "image.png")
    picture = (tmp_path / "saved" / "image.png").read_bytes()
    assert Image.open(io.BytesIO(picture)).size == (400, 400)
    named = json.loads(scrip(stack, *arguments))["image"]
    scrip(stack, "files", "get", named, "-o", str(tmp_path / "got.png"))
    assert (tmp_path / "got.png").read_bytes() == picture
    scrip(stack, "files", "delete", named)
