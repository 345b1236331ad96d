# SPDX-FileCopyrightText: 2026 The anymodal_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Messages: the decoders of every modality, and camera infos."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from anymodal_seg_ros import bags
from anymodal_seg_ros.calibration import read_camera_info
from anymodal_seg_ros.geometry import CameraModel
from anymodal_seg_ros.modalities import MODALITIES, EventWindow
from anymodal_seg_ros.modalities.depth import DEPTH_ENCODINGS
from anymodal_seg_ros.modalities.images import COLOR_ENCODINGS
from anymodal_seg_ros.modalities.thermal import SAMPLE_TYPES
from anymodal_seg_ros.samples import EVENT_DTYPE
from fuzzing.mutation import damaged, integer, pick, with_checksums
from fuzzing.target import MAX_INPUT_BYTES, Read, Target

STAMP_NS = 1_700_000_000_000_000_000
LARGE_SHARE = 0.004
"""How many of the inputs have nearly as many bytes as are allowed."""
_COORDINATES = ('x', 'y', 'z', 't', 'pol')
_NAMES = ('x', 'y', 'z', 't', 'pol', 'intensity', 'reflectivity', 'ring', '')
Rng = np.random.Generator
Make = Callable[[Rng], Any]
WEIGHTS = {'image': 42, 'depth image': 24, 'png': 42, 'jpeg': 42, 'compressed depth': 42,
           'scan': 36, 'event frame': 6, 'thermal image': 12, 'thermal png': 6}


def targets() -> Iterator[Target]:
    """All decoders, by the form of the message."""
    for name, (modality, make) in forms().items():
        yield Target(name=name, weight=WEIGHTS[name],
                     prepare=lambda rng, modality=modality, make=make: _decode(
                         modality, make(rng)))
    yield Target(name='events', weight=30, prepare=lambda rng: _events(_cloud(rng)))
    yield Target(name='camera info', weight=24, prepare=_camera_info)
    serialized = _serialized()
    yield Target(name='cdr', weight=30, prepare=lambda rng: _cdr(rng, serialized))


def forms() -> dict[str, tuple[str, Make]]:
    """What sensors send: by name, whose message it is and what makes a hostile one."""
    colors, depths = _compressed_colors(), _compressed_depths()
    return {
        'image': ('rgb', lambda rng: _image(rng, tuple(COLOR_ENCODINGS))),
        'depth image': ('depth', lambda rng: _image(rng, DEPTH_ENCODINGS)),
        'thermal image': ('thermal', lambda rng: _image(rng, tuple(SAMPLE_TYPES))),
        'thermal png': ('thermal', lambda rng: _png(rng, colors)),
        'png': ('rgb', lambda rng: _png(rng, colors)),
        'jpeg': ('rgb', lambda rng: _jpeg(rng, colors)),
        'compressed depth': ('depth', lambda rng: _compressed_depth(rng, depths)),
        'scan': ('lidar', _cloud),
        'event frame': ('event', lambda rng: _image(rng, tuple(COLOR_ENCODINGS))),
    }


def _decode(modality: str, message: Any) -> Read:  # noqa: ANN401 - a message look-alike
    return lambda: MODALITIES[modality].decode(message)


def _some_bytes(rng: Rng, size: int) -> bytes:
    """Random, or all of one value."""
    size = max(0, min(size, MAX_INPUT_BYTES - 1))
    return rng.bytes(size) if rng.random() < 0.5 else bytes([int(rng.integers(256))]) * size


def _image(rng: Rng, encodings: tuple[str, ...]) -> Any:  # noqa: ANN401
    if rng.random() < LARGE_SHARE:
        height, width = 480, int(rng.choice([640, 500, 2000]))
    else:
        height, width = (int(side) for side in rng.integers(1, 40, 2))
    step = width * int(rng.choice([1, 2, 3, 4, 6, 8]))
    size = int(height * step * rng.choice([1.0, 1.0, 1.5, 2.0, 3.0, 0.5]))
    fields = {'height': height, 'width': width, 'step': step, 'encoding': pick(rng, encodings),
              'is_bigendian': int(rng.integers(2)), 'data': _some_bytes(rng, size)}
    for _ in range(int(rng.choice([0, 0, 1, 2]))):
        name = pick(rng, ('height', 'width', 'step', 'encoding', 'is_bigendian'))
        fields[name] = (pick(rng, (*COLOR_ENCODINGS, 'jpeg', '', '8UC5', '32FC2', 'rgb\0'))
                        if name == 'encoding' else integer(rng, int(fields[name])))
    fields['header'] = _header()
    return SimpleNamespace(**fields)


def _header() -> Any:  # noqa: ANN401
    stamp = SimpleNamespace(sec=STAMP_NS // 10**9, nanosec=0)
    return SimpleNamespace(stamp=stamp, frame_id='frame')


def _compressed_colors() -> dict[str, list[bytes]]:
    rng = np.random.default_rng(0)
    files: dict[str, list[bytes]] = {'.png': [], '.jpg': []}
    for size in ((1, 1), (8, 13), (24, 32)):
        for channels in (1, 3, 4):
            noise = rng.integers(0, 256, (*size, channels), np.uint8)
            files['.png'] += [_file('.png', noise), _file('.png', noise.astype(np.uint16) * 257)]
            if channels == 4:
                continue
            for options in ([], [cv2.IMWRITE_JPEG_PROGRESSIVE, 1],
                            [cv2.IMWRITE_JPEG_RST_INTERVAL, 1]):
                files['.jpg'].append(_file('.jpg', noise, options))
    return files


def _file(suffix: str, image: npt.NDArray[Any], options: list[int] | None = None) -> bytes:
    return cv2.imencode(suffix, image, options or [])[1].tobytes()


def _compressed(data: bytes, form: str) -> Any:  # noqa: ANN401
    return SimpleNamespace(header=_header(), format=form, data=data[:MAX_INPUT_BYTES - 1])


def _png(rng: Rng, files: dict[str, list[bytes]]) -> Any:  # noqa: ANN401
    data = _png_bomb(rng) if rng.random() < 0.05 else pick(rng, files['.png'])
    if rng.random() < 0.8:
        data = damaged(rng, data, pick(rng, files['.png']))
    return _compressed(with_checksums(data) if rng.random() < 0.7 else data, 'png')


def _png_bomb(rng: Rng) -> bytes:
    """Any size, with a body that unpacks to as much as it may."""
    large = rng.random() < 0.05
    body = zlib.compress(bytes(60_000_000 if large else 30_000), 9)
    width, height = (integer(rng, 4000) & 0xFFFFFFFF for _ in range(2))
    chunks = b''
    header = struct.pack('>IIBBBBB', width, height, int(rng.choice([1, 8, 16])),
                         int(rng.choice([0, 2, 3, 4, 6])), 0, 0, int(rng.integers(2)))
    text = b'x\0\0' + zlib.compress(bytes(1_000_000))
    for name, content in ((b'IHDR', header), (b'acTL', struct.pack('>II', 9, 0)),
                          (b'zTXt', text), (b'iCCP', text), (b'PLTE', rng.bytes(30)),
                          (b'tRNS', rng.bytes(9)), (b'IDAT', body), (b'IEND', b'')):
        if name in (b'IHDR', b'IDAT', b'IEND') or rng.random() < 0.3:
            chunks += struct.pack('>I', len(content)) + name + content + b'\0\0\0\0'
    return with_checksums(b'\x89PNG\r\n\x1a\n' + chunks)


def _jpeg(rng: Rng, files: dict[str, list[bytes]]) -> Any:  # noqa: ANN401
    data = bytearray(pick(rng, files['.jpg']))
    if rng.random() < 0.3:
        _claim_size(rng, data)
    if rng.random() < 0.03:
        data = bytearray(_many_scans(rng, bytes(data)))
    done = bytes(data)
    if rng.random() < 0.8:
        done = damaged(rng, done, pick(rng, files['.jpg']))
    return _compressed(done, 'jpeg')


def _claim_size(rng: Rng, data: bytearray) -> None:
    for marker in (0xC0, 0xC2):
        at = bytes(data).find(bytes([0xFF, marker]))
        if at >= 0:
            struct.pack_into('>HH', data, at + 5, integer(rng, 4000) & 0xFFFF,
                             integer(rng, 4000) & 0xFFFF)


def _many_scans(rng: Rng, data: bytes) -> bytes:
    """The first scan again and again, and filled up to as many bytes as are allowed."""
    scan = data.find(b'\xff\xda')
    again = data[scan:-2] * int(rng.integers(1, 60))
    filling = b'\0' * int(rng.choice([0, 1000, 900_000]))
    return (data[:-2] + again + filling)[:MAX_INPUT_BYTES - 3] + b'\xff\xd9'


def _compressed_depths() -> list[bytes]:
    rng = np.random.default_rng(1)
    pngs = [_file('.png', rng.integers(0, 65536, size, np.uint16))
            for size in ((1, 1), (8, 13), (24, 32))]
    # 2 rows of 3: zeros 1, values 2: +2 +2, zeros 2, values 1: +1; and 5 zeros.
    rvls = [struct.pack('<III', 3, 2, 0x12442120), struct.pack('<III', 5, 1, 0x50000000)]
    return pngs + rvls


def _compressed_depth(rng: Rng, files: list[bytes]) -> Any:  # noqa: ANN401
    codec = pick(rng, ('png', 'rvl', 'rvl', ''))
    if codec == 'rvl':
        stream = _rvl(rng)
    else:
        stream = pick(rng, files[:3])
        stream = damaged(rng, stream, pick(rng, files)) if rng.random() < 0.8 else stream
        stream = with_checksums(stream) if rng.random() < 0.7 else stream
    header = struct.pack('<iff', 0 if rng.random() < 0.8 else integer(rng, 0) % 2**31,
                         *(pick(rng, (1.0, 100.0, 0.0, -1.0, 1e38, float('nan')))
                           for _ in range(2)))
    encoding = pick(rng, ('16UC1', '32FC1', '16UC1', '32FC1', 'mono16', '8UC1'))
    form = (f'{encoding}; compressedDepth {codec}' if rng.random() < 0.9
            else pick(rng, ('png', '', 'compressedDepth')))
    data = header + stream
    return _compressed(damaged(rng, data) if rng.random() < 0.2 else data, form)


def _rvl(rng: Rng) -> bytes:
    if rng.random() < 0.3:
        return _consistent_rvl(rng)
    if rng.random() < LARGE_SHARE:
        height, width, size = 480, int(rng.choice([640, 8000])), 900_000
    else:
        height, width, size = *(int(side) for side in rng.integers(1, 60, 2)), 4000
    stream = np.frombuffer(rng.bytes(int(rng.integers(size + 1))), np.uint8)
    stream = stream & np.uint8(pick(rng, (0x11, 0x00, 0x33, 0x77, 0xFF, 0x9F)))
    if rng.random() < 0.5:
        height, width = integer(rng, height), integer(rng, width)
    return struct.pack('<II', width & 0xFFFFFFFF, height & 0xFFFFFFFF) + stream.tobytes()


def _consistent_rvl(rng: Rng) -> bytes:
    """Runs that end with the image, with any differences."""
    height, width = (int(side) for side in rng.integers(1, 30, 2))
    missing, numbers = height * width, []
    while missing:
        zeros = int(rng.integers(0, min(missing, 40) + 1))
        values = int(rng.integers(0, min(missing - zeros, 40) + 1))
        numbers += [zeros, values, *rng.integers(0, pick(rng, (4, 500, 2**17)), values).tolist()]
        missing -= zeros + values
    pieces: list[int] = []
    for number in numbers:
        digits = [int(digit) for digit in reversed(f'{number:o}')]
        pieces += [digit | 8 for digit in digits[:-1]] + digits[-1:]
    pieces += [0] * (-len(pieces) % 8)
    words = [int(''.join(f'{piece:x}' for piece in pieces[at:at + 8]), 16)
             for at in range(0, len(pieces), 8)]
    return struct.pack(f'<II{len(words)}I', width, height, *words)


def _cloud(rng: Rng) -> Any:  # noqa: ANN401
    names = [*_COORDINATES, *rng.permutation(_NAMES)[:rng.integers(0, len(_NAMES))]]
    offset, fields = 0, []
    floats = rng.random() < 0.7
    for name in names if rng.random() < 0.7 else rng.permutation(names)[:3]:
        datatype = 7 if floats and name in 'xyz' else int(rng.choice([7, 8, 4, 2, 6, 5]))
        fields.append(SimpleNamespace(name=str(name), offset=offset, datatype=datatype, count=1))
        offset += {7: 4, 8: 8, 4: 2, 2: 1, 6: 4, 5: 4}[datatype]
    num_points = 20_000 if rng.random() < LARGE_SHARE else int(rng.integers(0, 50))
    message = {'height': 1, 'width': num_points, 'point_step': offset,
               'row_step': offset * num_points, 'is_bigendian': bool(rng.integers(2)),
               'data': _points(rng, offset * num_points), 'fields': fields, 'is_dense': True,
               'header': _header()}
    for _ in range(int(rng.choice([0, 0, 1, 2]))):
        name = pick(rng, ('height', 'width', 'point_step', 'row_step', 'field'))
        if name != 'field':
            message[name] = integer(rng, int(message[name]))
        else:
            field = pick(rng, fields)
            attribute = pick(rng, ('offset', 'datatype', 'count', 'name'))
            setattr(field, attribute, str(pick(rng, _NAMES)) if attribute == 'name'
                    else integer(rng, getattr(field, attribute)))
    return SimpleNamespace(**message)


def _points(rng: Rng, size: int) -> bytes:
    size = min(size, MAX_INPUT_BYTES - 1)
    if rng.random() < 0.5:
        return _some_bytes(rng, size)
    choices = ([0.0, 1.5, 3.0, 255.0] if rng.random() < 0.5
               else [0.0, 1.5, -3.0, 255.0, 1e9, 1e30, np.nan, np.inf])
    values = rng.choice(choices, size // 4 + 1).astype(pick(rng, (np.float32, np.float64)))
    return values.tobytes()[:size]


def _events(message: Any) -> Read:  # noqa: ANN401
    def read() -> object:
        events = MODALITIES['event'].decode(message)
        window = EventWindow(50_000_000)
        if events.dtype == EVENT_DTYPE:
            window.push(events)
            window.push(events[::-1])
        return window

    return read


def _camera_info(rng: Rng) -> Read:
    message = camera_info(rng)
    return lambda: read_camera_info(message)


def camera_info(rng: Rng) -> Any:  # noqa: ANN401
    """A camera info that a broken driver might send."""
    camera = CameraModel.from_fov(640, 480, 90.0)
    numbers = (0.0, 1.0, -1.0, 5e-324, 1e-300, 1e300, 1e308, np.inf, np.nan, 320.0, 1e9)

    def some(count: int, kept: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        values = np.resize(kept, count).astype(np.float64)
        for _ in range(int(rng.choice([0, 0, 0, 1, 2]))):
            if count:
                values[int(rng.integers(count))] = pick(rng, numbers)
        return values

    P = np.hstack([camera.K, np.zeros((3, 1))])
    length = int(rng.choice([0, 4, 5, 8, 12, 14, 14, 3, 1, 20]))
    roi = {name: int(rng.choice([0] * 9 + [1])) * integer(rng, 8) for name in (
        'x_offset', 'y_offset', 'height', 'width')}
    return SimpleNamespace(
        header=_header(), height=integer(rng, 480) if rng.random() < 0.3 else 480,
        width=integer(rng, 640) if rng.random() < 0.3 else 640,
        distortion_model=pick(rng, ('plumb_bob', 'rational_polynomial', 'equidistant', '',
                                    'fisheye', 'pinhole', 'none', 'thin_prism_fisheye', 'x')),
        d=some(length, np.array([-0.2, 0.05, 0.001, -0.001, 0.0])),
        k=some(int(rng.choice([9] * 9 + [8])), camera.K.reshape(-1)),
        r=some(9, np.eye(3).reshape(-1)), p=some(int(rng.choice([12] * 9 + [9])), P.reshape(-1)),
        binning_x=int(pick(rng, (0, 1, 1, 1, 2, integer(rng, 2)))),
        binning_y=int(pick(rng, (0, 1, 1, 1, 2, integer(rng, 2)))),
        roi=SimpleNamespace(**roi, do_rectify=bool(rng.integers(2))))


def _serialized() -> list[tuple[str, str, bytes]]:
    """(modality or '', type, bytes) of a small message of each type that is read."""
    rng = np.random.default_rng(2)
    events = np.zeros(20, EVENT_DTYPE)
    events['t_ns'] = STAMP_NS + np.arange(20)
    camera = CameraModel.from_fov(16, 8, 90.0)
    made = [
        ('rgb', bags.image_message(STAMP_NS, 'c', rng.integers(0, 256, (8, 16, 3), np.uint8),
                                   'rgb8')),
        ('depth', bags.image_message(STAMP_NS, 'c', np.ones((8, 16), np.float32), '32FC1')),
        ('lidar', bags.cloud_message(STAMP_NS, 'l', np.ones((30, 4), np.float32))),
        ('event', bags.events_message(STAMP_NS, 'c', events)),
        ('rgb', bags.compressed_image_message(STAMP_NS, 'c', np.frombuffer(_file(
            '.png', np.ones((8, 16), np.uint8)), np.uint8), 'png')),
        ('', bags.camera_info_message(STAMP_NS, 'c', camera)),
        ('', bags.tf_static_message([('a', 'b', (0, 0, 0), (0, 0, 0, 1))], STAMP_NS)),
    ]
    return [(modality, message.__msgtype__, bags.to_cdr(message)) for modality, message in made]


def _cdr(rng: Rng, serialized: list[tuple[str, str, bytes]]) -> Read:
    modality, msgtype, data = pick(rng, serialized)
    broken = damaged(rng, data, pick(rng, serialized)[2])
    return lambda: _read_cdr(modality, msgtype, broken)


def _read_cdr(modality: str, msgtype: str, data: bytes) -> None:
    message = bags.from_cdr(data, msgtype)
    if modality:
        MODALITIES[modality].decode(message)
    elif msgtype.endswith('CameraInfo'):
        read_camera_info(message)
