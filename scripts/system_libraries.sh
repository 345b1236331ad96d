#!/bin/sh
# SPDX-FileCopyrightText: 2026 The anymodal_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
# Makes sure that the shared libraries which Open3D's wheel links against are on this machine:
# installs them with apt where that is allowed, else names them and ends with 1.
set -eu

missing=''
need() { # need <library> <Debian package>
    ldconfig -p 2>/dev/null | grep -q "$1" || missing="$missing $2"
}
PATH="$PATH:/sbin:/usr/sbin"
need libusb-1.0.so.0 libusb-1.0-0
need libGL.so.1 libgl1
need libgomp.so.1 libgomp1
need libX11.so.6 libx11-6
[ -z "$missing" ] && exit 0

if command -v apt-get >/dev/null 2>&1; then
    if [ "$(id -u)" = 0 ]; then
        run=''
    elif sudo -n true 2>/dev/null; then
        run='sudo'
    else
        run='none'
    fi
    if [ "$run" != none ]; then
        echo "installing system libraries:$missing"
        $run apt-get update -qq &&
            DEBIAN_FRONTEND=noninteractive $run apt-get install -y -qq --no-install-recommends $missing \
                >/dev/null && exit 0
    fi
fi
echo "error: Open3D needs system libraries that are not here. Install the Debian/Ubuntu packages" \
    "and run make again:  sudo apt-get install$missing" >&2
exit 1
