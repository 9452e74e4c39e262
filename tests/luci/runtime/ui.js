/* The double of LuCI.ui: buttons that work once at a time, notifications, and applying what is staged. */
'use strict';
'require baseclass';
'require dom';
'require uci';

return baseclass.extend({
	createHandlerFn(self, work, ...values) {
		const done = typeof(work) == 'string' ? self[work] : work;
		if (typeof(done) != 'function')
			throw new TypeError('createHandlerFn(): no function');
		return function(event) {
			const button = event.currentTarget;
			button.disabled = true;
			return Promise.resolve(done.call(self, ...values, event)).finally(() => { button.disabled = false; });
		};
	},
	addNotification(title, children, ...kinds) {
		const note = E('div', { 'class': [ 'alert-message', ...kinds ].join(' ') });
		dom.append(note, children);
		document.getElementById('maincontent').prepend(note);
	},
	changes: {
		apply: () => uci.apply().then(() => { document.body.dataset.applied = +(document.body.dataset.applied || 0) + 1; })
	}
});
