# SPDX-FileCopyrightText: 2026 The anymodal_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Messages of compressed_depth_image_transport, byte by byte as its C++ structs lie in memory:

an int32 (UNDEFINED = -1, INV_DEPTH = 0), two float32 (depthQuantA, depthQuantB), then a PNG of 16
bits, or for RVL uint32 columns, uint32 rows and the stream; all little-endian.
"""

import struct
from types import SimpleNamespace

import cv2
import numpy as np
import pytest

from anymodal_seg_ros.errors import BadMessageError
from anymodal_seg_ros.modalities.depth import DepthDecoder, decode_depth

NAN = np.nan
CODES = np.array([[0, 1, 2500, 65535]] * 2, np.uint16)
IN_MILLIMETRES = [[NAN, 0.001, 2.5, 65.535]] * 2
PNG = cv2.imencode('.png', CODES)[1].tobytes()
INV_DEPTH = bytes.fromhex('00000000')
# float32 100 and 0.5, by the sign, exponent and fraction of IEEE 754.
QUANTA = bytes.fromhex('0000c842' '0000003f')
NOT_SET = bytes.fromhex('deadbeef' 'ffffffff')
"""The plugin leaves both parameters as they were where it does not quantise."""
# 3 columns, 2 rows: 0 2 4, 0 0 5 is 1 zero, 2 values, +2 +2, 2 zeros, 1 value, +1: 0x12442120.
RVL = bytes.fromhex('03000000' '02000000' '20214412')


def message(form, data):
    return SimpleNamespace(format=form, data=data)


@pytest.mark.parametrize('form', ['16UC1; compressedDepth png', '16UC1; compressedDepth',
                                  'mono16; compressedDepth png', '; compressedDepth png'])
def test_raw_codes_in_png_are_millimetres(form):
    decoded = decode_depth(message(form, INV_DEPTH + NOT_SET + PNG))
    assert decoded.dtype == np.float32
    np.testing.assert_allclose(decoded, IN_MILLIMETRES, rtol=1e-6)


def test_a_plain_png_has_no_header():
    decoded = decode_depth(message('16UC1; png compressed', PNG))
    np.testing.assert_allclose(decoded, IN_MILLIMETRES, rtol=1e-6)


def test_raw_codes_in_rvl():
    decoded = decode_depth(message('16UC1; compressedDepth rvl', INV_DEPTH + NOT_SET + RVL))
    np.testing.assert_allclose(decoded, [[NAN, 0.002, 0.004], [NAN, NAN, 0.005]], rtol=1e-6)


def test_quantised_inverse_depth_in_rvl():
    """depthQuantA / (code - depthQuantB), the plugin's line for a code that is not 0."""
    decoded = decode_depth(message('32FC1; compressedDepth rvl', INV_DEPTH + QUANTA + RVL))
    np.testing.assert_allclose(decoded, [[NAN, 100 / 1.5, 100 / 3.5], [NAN, NAN, 100 / 4.5]],
                               rtol=1e-6)


@pytest.mark.parametrize('form', ['32FC1; compressedDepth png', '32FC1; compressedDepth'])
def test_quantised_inverse_depth_in_png(form):
    decoded = decode_depth(message(form, INV_DEPTH + QUANTA + PNG))
    expected = [[NAN, 100 / 0.5, 100 / 2499.5, 100 / 65534.5]] * 2
    np.testing.assert_allclose(decoded, expected, rtol=1e-6)


def test_metres_survive_the_quantisation_of_the_plugin():
    """Its defaults, depth_max 10 and depth_quantization 100: A = Z0 (Z0 + 1), B = 1 - A / max."""
    quantum_a = 100.0 * (100.0 + 1.0)
    quantum_b = 1.0 - quantum_a / 10.0
    depth_m = np.array([[NAN, 0.7, 3.0, 9.5]] * 2)
    codes = np.nan_to_num(quantum_a / depth_m + quantum_b).astype(np.uint16)
    data = (struct.pack('<iff', 0, quantum_a, quantum_b)
            + cv2.imencode('.png', codes)[1].tobytes())
    decoded = decode_depth(message('32FC1; compressedDepth png', data))
    np.testing.assert_allclose(decoded, depth_m, rtol=2e-3)


def test_a_code_at_or_before_the_horizon_is_no_return():
    """A / (code - B) is infinite at code = B and negative below."""
    header = INV_DEPTH + struct.pack('<ff', 100.0, 2500.0)
    decoded = decode_depth(message('32FC1; compressedDepth png', header + PNG))
    np.testing.assert_allclose(decoded, [[NAN, NAN, NAN, 100 / 63035]] * 2, rtol=1e-6)


def test_the_unit_is_that_of_raw_codes_alone():
    decoder = DepthDecoder(unit_m=0.0002)
    raw = decoder.decode(message('16UC1; compressedDepth rvl', INV_DEPTH + NOT_SET + RVL))
    np.testing.assert_allclose(raw, [[NAN, 0.0004, 0.0008], [NAN, NAN, 0.001]], rtol=1e-6)
    plain = decoder.decode(message('16UC1; png compressed', PNG))
    np.testing.assert_allclose(plain, [[NAN, 0.0002, 0.5, 13.107]] * 2, rtol=1e-6)
    metres = decoder.decode(message('32FC1; compressedDepth rvl', INV_DEPTH + QUANTA + RVL))
    np.testing.assert_allclose(metres[0], [NAN, 100 / 1.5, 100 / 3.5], rtol=1e-6)


HEADER = INV_DEPTH + QUANTA


@pytest.mark.parametrize(('field', 'form', 'data'), [
    ('format', '8UC1; compressedDepth png', HEADER + PNG),
    ('format', '16UC1; compressedDepth zstd', HEADER + PNG),
    ('format', '64FC1; compressedDepth', HEADER + PNG),
    ('data', '32FC1; compressedDepth', b'\xff\xff\xff\xff' + QUANTA + PNG),
    ('data', '32FC1; compressedDepth', b'\x01\x00\x00\x00' + QUANTA + PNG),
    ('data', '32FC1; compressedDepth', INV_DEPTH + struct.pack('<ff', NAN, 0.0) + PNG),
    ('data', '32FC1; compressedDepth', INV_DEPTH + struct.pack('<ff', 1.0, np.inf) + PNG),
    ('data', '16UC1; compressedDepth png', HEADER + cv2.imencode('.png', np.zeros(
        (2, 4), np.uint8))[1].tobytes()),
    ('data', '16UC1; compressedDepth png', HEADER),
    ('data', '16UC1; compressedDepth png', HEADER + b'\x00' * 90),
    ('data', '16UC1; compressedDepth png', b''),
    ('data', '16UC1; compressedDepth rvl', HEADER + RVL[:7]),
    ('data', '16UC1; compressedDepth rvl', HEADER + RVL[:8]),
    ('data', '16UC1; compressedDepth rvl', HEADER + struct.pack('<III', 0, 2, 0x12442120)),
    ('data', '16UC1; compressedDepth rvl', HEADER + struct.pack('<III', 4, 2, 0x12442120)),
    ('data', '16UC1; compressedDepth rvl', HEADER + struct.pack('<III', 2**31, 2, 0x12442120)),
    ('data', '16UC1; compressedDepth rvl', HEADER + struct.pack('<III', 8000, 8000, 0)),
])
def test_what_contradicts_the_layout_is_refused(field, form, data):
    with pytest.raises(BadMessageError, match=rf'^{field}: '):
        decode_depth(message(form, data))
