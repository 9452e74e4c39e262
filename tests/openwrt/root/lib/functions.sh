# Plays OpenWrt's /lib/functions.sh and uci: as much of both as upxe's init script uses. Reads files in the form that
# "uci export" prints: a line for each option, its value in single quotes.
# shellcheck shell=dash disable=SC2013,SC2034,SC3043 # no spaces in names; ash knows local

# The words of a package's options, one option or item a line: section, type, option, value.
uci_lines() {
	[ -e "/etc/config/$1" ] || return 1
	local keyword name value section='' type='' count=0
	while read -r keyword name value; do
		value=${value#\'}
		value=${value%\'}
		case $keyword in
		config)
			count=$((count + 1))
			type=${name#\'} section=${value:-cfg$count}
			type=${type%\'}
			echo "$section $type"
			;;
		option | list) echo "$section $type $name $value" ;;
		esac
	done <"/etc/config/$1"
}

config_load() {
	CONFIG_LINES="$(uci_lines "$1")"
}

# config_get VARIABLE SECTION OPTION [DEFAULT]: the items of a list are joined by spaces.
config_get() {
	local found
	found="$(echo "$CONFIG_LINES" | while read -r section type name value; do
		if [ "$section $name" = "$2 $3" ]; then printf '%s ' "$value"; fi
	done)"
	found=${found% }
	eval "$1=\"\${found:-\${4-}}\""
}

config_get_bool() {
	local flag
	config_get flag "$2" "$3" "${4-}"
	case $flag in
	1 | on | true | yes | enabled) flag=1 ;;
	0 | off | false | no | disabled) flag=0 ;;
	*) flag=${4-} ;;
	esac
	eval "$1=\$flag"
}

# config_foreach FUNCTION TYPE
config_foreach() {
	local wanted
	for wanted in $(echo "$CONFIG_LINES" | while read -r section type name value; do
		if [ "$type" = "$2" ] && [ -z "$name" ]; then echo "$section"; fi
	done); do
		"$1" "$wanted"
	done
}

# uci -q get PACKAGE.@TYPE[0].OPTION or PACKAGE.SECTION, which says its type; uci -q batch, which adds to the file's end;
# and uci -q show PACKAGE, which fails where a quote isn't closed. config_load does not.
uci() {
	case $2 in
	show)
		awk -F "'" '!/^[ \t]*#/ && NF && NF % 2 == 0 { exit 1 }' "/etc/config/$3"
		return
		;;
	batch)
		uci_batch
		return
		;;
	esac
	local package=${3%%.*} rest=${3#*.} wanted first=''
	wanted=${rest#@}
	if [ "$wanted" = "$rest" ]; then
		uci_lines "$package" | grep "^$rest "
		return
	fi
	uci_lines "$package" | while read -r section type name value; do
		[ "$type" = "${wanted%%\[*}" ] || continue
		first=${first:-$section}
		if [ "$section $name" = "$first ${rest##*.}" ]; then echo "$value"; fi
	done
}

# set PACKAGE.SECTION=TYPE, set PACKAGE.SECTION.OPTION=VALUE for the newest section, commit PACKAGE
uci_batch() {
	local word what to path package lines=''
	while read -r word what; do
		to=${what#*=} path=${what%%=*}
		package=${path%%.*}
		case $word:${path#*.} in
		set:*.*) lines="$lines	option ${path##*.} '$to'
" ;;
		set:*) lines="$lines
config $to '${path#*.}'
" ;;
		commit:*) printf '%s' "$lines" >>"/etc/config/$package" ;;
		esac
	done
}

list_contains() {
	eval "case \" \$$1 \" in *\" \$2 \"*) return 0 ;; esac"
	return 1
}

append() {
	eval "$1=\"\${$1:+\$$1 }\$2\""
}

logger() {
	sed "s/^/log: /" >>/transcript
}

# What opkg leaves to the router when a package's files are there, and before they go: OpenWrt's functions of these names.
default_postinst() {
	local name file
	name=$(basename "${1%.*}")
	add_group_and_user "$name"
	for file in $(grep '^/etc/uci-defaults/' "/usr/lib/opkg/info/$name.list"); do
		# shellcheck source=/dev/null
		if (. "$file"); then rm "$file"; fi
	done
	for file in $(grep '^/etc/init.d/' "/usr/lib/opkg/info/$name.list"); do
		[ "${PKG_UPGRADE-}" = 1 ] || "$file" enable
		"$file" start
	done
}

default_prerm() {
	local name file
	name=$(basename "${1%.*}")
	for file in $(grep '^/etc/init.d/' "/usr/lib/opkg/info/$name.list"); do
		[ "${PKG_UPGRADE-}" = 1 ] || "$file" disable
		"$file" stop
	done
}

# Require-User: NAME=NUMBER:GROUP=NUMBER
add_group_and_user() {
	local who user group
	who=$(sed -n 's/^Require-User: //p' "/usr/lib/opkg/info/$1.control")
	user=${who%%:*} group=${who#*:}
	echo "${group%=*}:x:${group#*=}:${user%=*}" >>/etc/group
	echo "${user%=*}:x:${user#*=}:${group#*=}:${user%=*}:/var/run/${user%=*}:/bin/false" >>/etc/passwd
}
