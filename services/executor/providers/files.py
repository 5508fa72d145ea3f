"""Files as templates see them: an input's, and those that a provider's answer is or names."""

import base64
import mimetypes
from typing import Any

from services.executor.providers.streams import UnreadableError
from services.executor.rules.output_files import Content, Places, of_data_url, standing_at

_TEXTUAL = ("application/json", "application/xml")


def plain(value: Any, member: str) -> Any:
    """JSON values in which every file is one of its members: `base64` for providers, `data_url` for callers."""
    match value:
        case File():
            return value.get(member)
        case dict():
            return {name: plain(one, member) for name, one in value.items()}
        case list():
            return [plain(item, member) for item in value]
        case _:
            return value


def content_of(value: Any) -> Content | None:
    """What a file-valued value of an output holds: a File, or a `data:` URL that a template made."""
    return (value["media_type"], value.data) if isinstance(value, File) else of_data_url(value)


def check_files(output: Any, places: Places) -> None:
    """Raises UnreadableError where a file of an output is empty, or a text though the schema says that it is something
    else: a page that tells of an error, sent with success."""
    for place, declared in places.items():
        for value in standing_at(output, place):
            media_type, is_empty = _told(value)
            if is_empty:
                raise UnreadableError("the file that the provider made is empty")
            if declared and _is_text(media_type) and not _may_be_text(declared):
                raise UnreadableError(f"the provider made {media_type:.60} where {declared} should be")


def _told(value: Any) -> tuple[str, bool]:
    """The media type of what stands where a file should, and whether it has no content."""
    if isinstance(value, File):
        return value["media_type"], not value.data
    if isinstance(value, str) and value.startswith("data:"):
        header, _, content = value[len("data:") :].partition(",")
        return header.partition(";")[0].strip().lower(), not content
    return "", False


def _is_text(media_type: str) -> bool:
    # A drawing in XML is a picture all the same.
    is_structured = media_type.startswith("application/") and media_type.endswith(("+json", "+xml"))
    return media_type.startswith("text/") or media_type in _TEXTUAL or is_structured


def _may_be_text(declared: str) -> bool:
    return _is_text(declared) or declared.startswith(("*/", "application/*"))


def input_file(data: bytes, media_type: str, member: str) -> "File":
    """A file of an input, named after its member; providers look at what a name ends with."""
    return File(data, media_type, f"{member}{mimetypes.guess_extension(media_type) or ''}")


class File(dict[str, Any]):
    """A file with members `media_type`, `name`, `size`, `base64` and `data_url`; the last two are made when asked for.

    As the whole of a multipart field or of a raw body it stands for its content.
    """

    def __init__(self, data: bytes, media_type: str, name: str) -> None:
        super().__init__(media_type=media_type, name=name, size=len(data))
        self.data = data

    def get(self, member: str, default: Any = None) -> Any:
        """A member; expressions read all of them through this."""
        if member == "base64":
            return base64.b64encode(self.data).decode()
        if member == "data_url":
            return f"data:{self['media_type']};base64,{base64.b64encode(self.data).decode()}"
        return super().get(member, default)
