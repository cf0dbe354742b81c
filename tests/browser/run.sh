#!/bin/sh
# Check the JavaScript client, its types, the React hook, the page, the example and the guide. Needs node 20.19 or
# later, Chromium and the embedded model (`declarai-like pull`). PYTHON and CHROMIUM name others than .venv/bin/python
# and /usr/bin/chromium.
set -eu
cd "$(dirname "$0")"
npm ci --ignore-scripts --silent
npm run --silent types
npm run --silent unit
npm run --silent live
