# Plays procd's shell functions: writes down what the service is told, one call a line.
# shellcheck shell=dash

note() { echo "$*" >>/transcript; }

for call in procd_open_instance procd_close_instance procd_set_param procd_append_param procd_add_jail \
	procd_add_jail_mount procd_add_jail_mount_rw procd_open_data procd_close_data procd_add_reload_trigger procd_add_reload_interface_trigger \
	procd_add_raw_trigger procd_set_config_changed procd_kill \
	json_add_array json_add_object json_add_string json_close_array json_close_object; do
	eval "$call() { note \"${call#procd_}\" \"\$@\"; }"
done

procd_open_service() { note "service $1"; }

procd_close_service() {
	service_triggers
	note 'service complete'
	# procd keeps a service's data, from one run of its script to the next, and while it ends.
	grep -q open_instance /transcript || return 0
	grep ^json_ /transcript >/data || rm /data
}

ubus() { if [ -e /data ]; then cat /data; else echo '{}'; fi; }

# /running is there while procd runs the service.
_procd_status() {
	if [ -e /running ]; then echo running; else
		echo inactive
		return 3
	fi
}
