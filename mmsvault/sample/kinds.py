"""One file of every kind that phones send, also of those that are seen less and less."""

import io
import struct
import zipfile
from collections.abc import Callable, Mapping
from fractions import Fraction

import pillow_heif
from PIL import Image

from mmsvault.sample import media
from mmsvault.sample.media import AMR, SampleFile, film, sound
from mmsvault.sample.scenes import scene

pillow_heif.register_heif_opener()

PICTURE_SIZE = (800, 600)


def every_kind() -> dict[str, SampleFile]:
    """Return the files by what they are, in the words of a person."""
    return {name: make() for name, make in KINDS.items()}


def _picture(name: str, content_type: str, form: str, mode: str = "RGB", **options: object) -> SampleFile:
    kept = io.BytesIO()
    picture = scene(2, PICTURE_SIZE).convert(mode)
    picture.save(kept, form, **options)
    return SampleFile(name, content_type, kept.getvalue())


def _cut_off() -> SampleFile:
    whole = media.photograph(1)
    return SampleFile("cut.jpg", whole.content_type, whole.data[: len(whole.data) * 2 // 3])


def _moving_webp() -> SampleFile:
    kept = io.BytesIO()
    frames = [scene(seed, (240, 180)) for seed in (0, 1, 2)]
    frames[0].save(kept, "WEBP", save_all=True, append_images=frames[1:], duration=200, loop=0)
    return SampleFile("moving.webp", "image/webp", kept.getvalue())


def _deep_grey() -> SampleFile:
    """Return a PNG of 16-bit grey whose lightest point is not white and whose darkest is not black."""
    grey = scene(2, PICTURE_SIZE).convert("L").point(lambda level: 64 + level // 2)
    kept = io.BytesIO()
    grey.convert("I").point(lambda level: level * 257).convert("I;16").save(kept, "PNG")
    return SampleFile("scan.png", "image/png", kept.getvalue())


def _with_broken_text() -> SampleFile:
    """Return a PNG with a text whose checksum is wrong; the pixels are whole."""
    data = _picture("noted.png", "image/png", "PNG").data
    text = struct.pack(">I", 12) + b"tEXtComment\0pier" + bytes(4)
    return SampleFile("noted.png", "image/png", data[:33] + text + data[33:])


def _empty_first() -> SampleFile:
    """Return an animation whose first frame is clear all over, as many exporters write it."""
    kept = io.BytesIO()
    frames = [Image.new("RGBA", (240, 180)), *(scene(seed, (240, 180)).convert("RGBA") for seed in (0, 1))]
    frames[0].save(kept, "GIF", save_all=True, append_images=frames[1:], duration=200, loop=0, disposal=2)
    return SampleFile("late.gif", "image/gif", kept.getvalue())


def _narrow() -> SampleFile:
    kept = io.BytesIO()
    scene(2, PICTURE_SIZE).resize((640, 1)).save(kept, "JPEG")
    return SampleFile("line.jpg", "image/jpeg", kept.getvalue())


def _branded_as_heif(kind: str) -> SampleFile:
    """Return a picture whose codec only its compatible brands tell."""
    file = KINDS[kind]()
    return SampleFile(file.name, file.content_type, file.data[:8] + b"mif1" + file.data[12:])


def heif_of(item_type: bytes, data: bytes, *, brand: bytes) -> bytes:
    """Return an HEIF (ISO/IEC 23008-12) of 800 x 600 with one picture, in any codec."""

    def box(name: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body) + 8) + name + body

    def full(name: bytes, body: bytes, version: int = 0) -> bytes:
        return box(name, bytes((version, 0, 0, 0)) + body)

    def meta(place: int) -> bytes:
        item = full(b"infe", struct.pack(">HH4sx", 1, 0, item_type), version=2)
        sizes = box(b"ipco", full(b"ispe", struct.pack(">II", *PICTURE_SIZE)))
        return full(
            b"meta",
            full(b"hdlr", struct.pack(">4x4s13x", b"pict"))
            + full(b"pitm", struct.pack(">H", 1))
            + full(b"iinf", struct.pack(">H", 1) + item)
            + full(b"iloc", struct.pack(">BBHHHHII", 0x44, 0, 1, 1, 0, 1, place, len(data)))
            + box(b"iprp", sizes + full(b"ipma", struct.pack(">IHBB", 1, 1, 1, 1))),
        )

    start = box(b"ftyp", brand + bytes(4) + b"mif1" + brand)
    return start + meta(len(start) + len(meta(0)) + 8) + box(b"mdat", data)


def _heif_of_jpeg_2000() -> SampleFile:
    stream = _picture("p.j2k", "image/j2c", "JPEG2000", no_jp2=True).data
    return SampleFile("p.hej2", "image/hej2k", heif_of(b"j2k1", stream, brand=b"j2ki"))


def _wbmp() -> SampleFile:
    picture = scene(1, (96, 64)).convert("1")
    return SampleFile("logo.wbmp", "image/vnd.wap.wbmp", b"\0\0\x60\x40" + picture.tobytes())


def _wide_amr() -> SampleFile:
    frames = b"".join(b"\x44" + bytes((step * at) % 256 for at in range(60)) for step in range(1, 101))
    return SampleFile("note.awb", "audio/amr-wb", b"#!AMR-WB\n" + frames)


def _qcelp() -> SampleFile:
    """Write Qualcomm's voice format (RFC 3625): 2 s at its full rate."""
    packets = b"".join(b"\x04" + bytes((step * at) % 251 for at in range(34)) for step in range(1, 101))
    codec = bytes.fromhex("416d7f5e15b1d011ba9100805fb4b97e")
    rates = bytes((34, 4, 16, 3, 7, 2, 3, 1)).ljust(16, b"\0")
    about = struct.pack(
        "<BB16sH80sHHHHHI16s20x", 1, 0, codec, 2, b"Qcelp 13K", 13000, 35, 160, 8000, 16, 4, rates
    )
    body = b"".join(
        name + struct.pack("<I", len(data)) + data
        for name, data in (
            (b"fmt ", about),
            (b"vrat", struct.pack("<II", 1, 100)),
            (b"data", packets),
        )
    )
    return SampleFile("note.qcp", "audio/qcelp", b"RIFF" + struct.pack("<I", len(body) + 4) + b"QLCM" + body)


def _melody() -> SampleFile:
    notes = b"".join(
        bytes((0, 0x90, note, 64, 48, 0x80, note, 0)) for note in (60, 62, 64, 65, 67, 69, 71, 72)
    )
    track = b"\0\xc0\x0b" + notes + b"\0\xff\x2f\0"
    data = b"MThd" + struct.pack(">IHHH", 6, 0, 1, 96) + b"MTrk" + struct.pack(">I", len(track)) + track
    return SampleFile("ring.mid", "audio/midi", data)


def _contact(version: str) -> SampleFile:
    lines = {
        "2.1": (
            "N;CHARSET=UTF-8;ENCODING=QUOTED-PRINTABLE:M=C3=BCller;J=C3=B6rg;;;",
            "FN;CHARSET=UTF-8;ENCODING=QUOTED-PRINTABLE:J=C3=B6rg M=C3=BC=",
            "ller",
            "TEL;CELL;VOICE:+1 408 555 0124",
            "ADR;HOME:;;1 Harbor Road;Moss Beach;CA;94038;USA",
        ),
        "4.0": (
            "FN:Zoë Example 🐟",
            'TEL;VALUE=uri;TYPE="cell":tel:+1-408-555-0125',
            "EMAIL:zoe@example.com",
            "NOTE:Rings after six",
        ),
    }[version]
    card = ("BEGIN:VCARD", f"VERSION:{version}", *lines, "END:VCARD")
    return SampleFile("contact.vcf", "text/x-vcard", "".join(f"{line}\r\n" for line in card).encode())


def appointment() -> SampleFile:
    """Return an entry for a calendar."""
    lines = (
        *("BEGIN:VCALENDAR", "VERSION:2.0", "PRODID:-//MMS Vault//sample//EN", "BEGIN:VEVENT", "UID:walk-1"),
        *("DTSTAMP:20261101T080000Z", "SUMMARY:Walk along the harbor", "DTSTART:20261130T170000Z"),
        *("DTEND:20261130T183000Z", "LOCATION:Pier 3", "END:VEVENT", "END:VCALENDAR"),
    )
    return SampleFile("walk.ics", "text/calendar", "".join(f"{line}\r\n" for line in lines).encode())


def leaflet() -> SampleFile:
    """Return a PDF of two pages."""
    first = b"BT /F1 34 Tf 60 700 Td (Storm warning) Tj /F1 16 Tf 0 -40 Td (Harbor closed from six.) Tj ET"
    second = b"BT /F1 16 Tf 60 700 Td (Boats may stay at the inner pier.) Tj ET"
    page = b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 612 792] /Contents %d 0 R /Resources 7 0 R >>"
    objects = (
        b"<< /Type /Catalog /Pages 2 0 R >>",
        b"<< /Type /Pages /Kids [3 0 R 4 0 R] /Count 2 >>",
        page % 5,
        page % 6,
        *(b"<< /Length %d >>\nstream\n%s\nendstream" % (len(words), words) for words in (first, second)),
        b"<< /Font << /F1 8 0 R >> >>",
        b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica-Bold >>",
    )
    data, places = b"%PDF-1.4\n", []
    for number, body in enumerate(objects, start=1):
        places.append(len(data))
        data += b"%d 0 obj\n%s\nendobj\n" % (number, body)
    table = b"".join(b"%010d 00000 n \n" % place for place in places)
    head = b"xref\n0 %d\n0000000000 65535 f \n" % (len(objects) + 1)
    tail = b"trailer\n<< /Size %d /Root 1 0 R >>\nstartxref\n%d\n%%%%EOF\n" % (len(objects) + 1, len(data))
    return SampleFile("leaflet.pdf", "application/pdf", data + head + table + tail)


def slides(*names: str) -> SampleFile:
    """Return the order of a message's parts, one a slide."""
    shown = "".join(f'<par dur="5s"><ref src="{name}"/></par>' for name in names)
    return SampleFile("slides.smil", "application/smil", f"<smil><body>{shown}</body></smil>".encode())


def _archive() -> SampleFile:
    kept = io.BytesIO()
    with zipfile.ZipFile(kept, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("readme.txt", "kept as it is")
    return SampleFile("things.zip", "application/zip", kept.getvalue())


def _with_unknown_track() -> SampleFile:
    """Return a film such as phones with several microphones make: the second sound is for few players."""
    data = film("mp4", "libx264", "aac", sound_tracks=2)
    at, about = (data.rindex(name, 0, data.index(b"mdat")) for name in (b"mp4a", b"esds"))
    renamed = data[:at] + b"apac" + data[at + 4 : about] + b"dapa" + data[about + 4 :]
    return SampleFile("IMG_0017.mp4", "video/mp4", renamed)


def _tagged_aac() -> SampleFile:
    title = b"TIT2" + struct.pack(">I", 5) + b"\0\0\0Song"
    tag = b"ID3\x03\0\0\0\0\0" + bytes((len(title),)) + title
    return SampleFile("s.aac", "audio/mpeg", tag + sound("adts", "aac"))


def _film(name: str, content_type: str, *arguments: str, **more: object) -> SampleFile:
    return SampleFile(name, content_type, film(*arguments, **more))  # type: ignore[arg-type]  # handed on


KINDS: Mapping[str, Callable[[], SampleFile]] = {
    "JPEG": lambda: media.photograph(0),
    "JPEG, lying on its side": lambda: media.photograph(1, orientation=6),
    "JPEG, progressive": lambda: _picture("p.jpg", "image/jpeg", "JPEG", progressive=True),
    "JPEG, CMYK": lambda: _picture("print.jpg", "image/jpeg", "JPEG", "CMYK"),
    "JPEG, cut off": _cut_off,
    "JPEG, named and declared as PNG": lambda: _picture("photo.png", "image/png", "JPEG"),
    "JPEG, 640 x 1": _narrow,
    "PNG": lambda: media.drawing(0),
    "PNG, 16-bit grey": _deep_grey,
    "PNG, with a damaged text": _with_broken_text,
    "GIF": lambda: _picture("still.gif", "image/gif", "GIF", "P"),
    "GIF, animated": media.animation,
    "GIF, its first frame empty": _empty_first,
    "WebP": lambda: _picture("p.webp", "image/webp", "WEBP"),
    "WebP, animated": _moving_webp,
    "BMP": lambda: _picture("p.bmp", "image/bmp", "BMP"),
    "TIFF": lambda: _picture("scan.tif", "image/tiff", "TIFF"),
    "WBMP": _wbmp,
    "HEIC": lambda: _picture("IMG_0100.heic", "image/heic", "HEIF"),
    "AVIF": lambda: _picture("p.avif", "image/avif", "AVIF"),
    "HEIC, told by its compatible brands": lambda: _branded_as_heif("HEIC"),
    "AVIF, told by its compatible brands": lambda: _branded_as_heif("AVIF"),
    "HEIF of JPEG 2000": _heif_of_jpeg_2000,
    "JPEG 2000": lambda: _picture("scan.jp2", "image/jp2", "JPEG2000"),
    "Icon": lambda: _picture("favicon.ico", "image/x-icon", "ICO", sizes=[(48, 48)]),
    "3GP: H.263, AMR": media.film_3gp,
    "3GP: MPEG-4 part 2, AMR": lambda: _film("v.3gp", "video/3gpp", "3gp", "mpeg4", AMR, rate=8000),
    "3GP: H.264, AMR": lambda: _film("v.3gp", "video/3gpp", "3gp", "libx264", AMR, rate=8000),
    "3GP: H.264, AAC": lambda: _film("v.3gp", "video/3gpp", "3gp", "libx264", "aac"),
    "MP4: H.264, AAC": media.film_mp4,
    "MP4: HEVC, AAC": lambda: _film("v.mp4", "video/mp4", "mp4", "libx265", "aac"),
    "MOV: H.264, AAC": lambda: _film("v.mov", "video/quicktime", "mov", "libx264", "aac"),
    "MPEG-1": lambda: _film("v.mpg", "video/mpeg", "mpeg", "mpeg1video", "mp2", frame_rate=25),
    "MPEG-2": lambda: _film("v.mpg", "video/mpeg", "vob", "mpeg2video", "mp2", frame_rate=25),
    "AVI: MPEG-4 part 2, MP3": lambda: _film("v.avi", "video/x-msvideo", "avi", "mpeg4", "libmp3lame"),
    "MP4: H.264, AAC, and sound of an unknown codec": _with_unknown_track,
    "MP4: H.264, AAC, mirrored": lambda: _film(
        "v.mp4", "video/mp4", "mp4", "libx264", "aac", is_mirrored=True
    ),
    "MPEG-2, shown wider than it is stored": lambda: _film(
        "v.mpg", "video/mpeg", "vob", "mpeg2video", "mp2", frame_rate=25, pixel_aspect=Fraction(4, 3)
    ),
    "WMV": lambda: _film("v.wmv", "video/x-ms-wmv", "asf", "wmv2", "wmav2"),
    "WebM: VP8, Opus": lambda: _film("v.webm", "video/webm", "webm", "libvpx", "libopus", rate=48000),
    "AMR": media.voice,
    "AMR-WB": _wide_amr,
    "AAC": lambda: SampleFile("s.aac", "audio/aac", sound("adts", "aac")),
    "AAC behind an ID3 tag": _tagged_aac,
    "CAF: Opus": media.voice_message,
    "AIFF": lambda: SampleFile("s.aif", "audio/aiff", sound("aiff", "pcm_s16be")),
    "AU": lambda: SampleFile("s.au", "audio/basic", sound("au", "pcm_mulaw", rate=8000)),
    "M4A": lambda: SampleFile("s.m4a", "audio/mp4", sound("ipod", "aac")),
    "MP3": media.music,
    "WAV": lambda: SampleFile("s.wav", "audio/x-wav", sound("wav", "pcm_s16le", rate=8000)),
    "QCELP": _qcelp,
    "MIDI": _melody,
    "Text, UTF-8": lambda: media.text("Grüße 🐟 from the pier"),
    "Text, UTF-16 with its mark": lambda: media.text("שלום מהרציף", charset="utf-16"),
    "Text, Shift JIS": lambda: media.text("港の嵐", charset="shift_jis"),
    "vCard 2.1": lambda: _contact("2.1"),
    "vCard 3.0": media.contact,
    "vCard 4.0": lambda: _contact("4.0"),
    "iCalendar": appointment,
    "PDF": leaflet,
    "SMIL": lambda: slides("IMG_0000.jpg", "text.txt"),
    "ZIP": _archive,
}
