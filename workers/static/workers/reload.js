/* A list that reloads itself while something is at work, but not under the hands of who has ticked rows of it.
 *
 *   <script src="reload.js" data-every-s="3"></script>
 */
(() => {
  "use strict";
  const everyMs = 1000 * Number(document.currentScript.dataset.everyS);

  function reload() {
    if (document.querySelector("#changelist-form input[type=checkbox]:checked")) setTimeout(reload, everyMs);
    else location.reload();
  }

  setTimeout(reload, everyMs);
})();
