#!/bin/sh
# Called by the packages feed's CI on the installed package: its name and its version.

case $1 in
upxe) upxe --version | grep -F " $2" ;;
esac
