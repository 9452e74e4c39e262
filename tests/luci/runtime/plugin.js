/*
 * Runs the app's rpcd plugin, which is written in ucode, as the JavaScript that it is as well: it keeps to what both have in
 * common. Its modules reach the machine through the test's server.
 */
'use strict';
'require baseclass';

function host(operation, ...values) {
	const request = new XMLHttpRequest();
	request.open('POST', '/host', false);
	request.send(JSON.stringify([ operation, ...values ]));
	return JSON.parse(request.responseText);
}

const modules = {
	fs: Object.fromEntries([ 'lsdir', 'lstat', 'stat', 'realpath' ].map((name) => [ name, (path) => host(name, path) ])),
	uci: { cursor: () => ({ get: (...path) => host('uci', ...path) }) },
	ubus: {
		connect: () => ({
			defer(object, method, params, answer) {
				const [ code, reply ] = host('ubus', object, method, params);
				answer(code, reply);
				return { deferred: true };
			}
		})
	}
};

const functions = {
	length: (value) => value == null ? null : typeof(value) == 'object' && !Array.isArray(value) ? Object.keys(value).length : value.length,
	type: (value) => value === null || value === undefined ? null : Array.isArray(value) ? 'array' : typeof(value),
	json: JSON.parse,
	match: (text, pattern) => pattern.exec(text ?? ''),
	filter: (list, keep) => list.filter((value) => keep(value)),
	map: (list, change) => list.map((value) => change(value)),
	push: (list, ...values) => { list.push(...values); },
	sort: (list, order) => list.sort(order),
	slice: (list, from) => list.slice(from),
	split: (text, by) => text.split(by),
	join: (by, list) => list.join(by),
	trim: (text) => text.trim(),
	index: (hay, needle) => hay == null ? -1 : hay.indexOf(needle)
};

let methods = null;

function load() {
	const request = new XMLHttpRequest();
	request.open('GET', '/plugin', false);
	request.send();
	/* What means something else in the two languages has no place in it. */
	const forIn = /for ?\((let|const) \w+ in |[^;\n]*\b\w+ in [A-Z]/.exec(request.responseText.replace(/\/\/.*/g, ''));
	if (forIn)
		throw new Error('the plugin uses "in", which ucode and JavaScript understand differently: ' + forIn[0]);
	const body = request.responseText.replace(/^import ?(\{[^}]+\}) ?from '(\w+)';/gm, 'const $1 = modules.$2;');
	return new Function('modules', ...Object.keys(functions), body)(modules, ...Object.values(functions))['luci.upxe'];
}

return baseclass.extend({
	call(name, given) {
		methods = methods || load();
		const method = methods[name];
		if (!method)
			throw new Error('the plugin has no method ' + name);
		/* rpcd lets through what is declared, of the type of the example. */
		const args = {};
		Object.keys(given).forEach((key) => {
			if (given[key] === undefined)
				return;
			if (!method.args || typeof(method.args[key]) != typeof(given[key]))
				throw new Error('rpcd: invalid argument ' + key + ' to ' + name);
			args[key] = given[key];
		});
		return new Promise((resolve, reject) => {
			const answer = method.call({ args: args, reply: resolve });
			if (answer == null)
				reject(new Error('rpcd: no data from ' + name));
			else if (!answer.deferred)
				resolve(answer);
		});
	}
});
