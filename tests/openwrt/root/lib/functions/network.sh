# Plays netifd's shell functions: the interfaces in /netifd are up, each on the device that stands behind it, with the
# addresses behind that.
# shellcheck shell=dash disable=SC2034 # read by eval

network_flush_cache() { :; }

network_get_ipaddrs() {
	while read -r name device addresses; do
		if [ "$name" = "$2" ]; then
			eval "$1=\$addresses"
			return 0
		fi
	done </netifd
	return 1
}
