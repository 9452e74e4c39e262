/* The double of LuCI.rpc: what is declared is asked of the test's server, which holds it to the ACL as rpcd does. */
'use strict';
'require baseclass';
'require plugin';

const KNOWN = [ 'object', 'method', 'params', 'expect', 'filter', 'reject', 'nobatch' ];

return baseclass.extend({
	declare(options) {
		Object.keys(options).forEach((key) => {
			if (!KNOWN.includes(key))
				throw new TypeError('rpc.declare(): unknown option ' + key);
		});
		return async function(...values) {
			const params = {};
			(options.params || []).forEach((name, at) => { params[name] = values[at]; });
			const answer = await fetch('/ubus', { method: 'POST', body: JSON.stringify([ options.object, options.method, params ]) });
			let [ code, reply ] = await answer.json();
			if (code == 0 && options.object == 'luci.upxe')
				reply = await plugin.call(options.method, params);
			if (options.reject && code != 0)
				throw new Error('RPC call to ' + options.object + '/' + options.method + ' failed with ubus code ' + code);
			if (code != 0)
				reply = code;
			const key = Object.keys(options.expect || {})[0];
			if (key != null) {
				if (reply != null && key != '')
					reply = reply[key];
				const kind = Object.prototype.toString;
				if (reply == null || kind.call(reply) != kind.call(options.expect[key]))
					reply = options.expect[key];
			}
			return reply;
		};
	}
});
