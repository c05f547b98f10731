// Command browser looks at the pages with a real browser and says what is wrong with them.
//
// It reads a plan (JSON) from standard input, walks every page that can be reached by links, at every
// width, light and dark, and prints one line for each fault. Exit code 0: no fault; 1: faults; 2: the
// browser could not be used.
package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"sort"
	"strings"
	"sync"
	"time"

	"github.com/chromedp/cdproto/browser"
	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
)

// Plan is what to look at.
type Plan struct {
	// Browser is the path of Chromium.
	Browser string `json:"browser"`
	// Axe is the path of axe.min.js.
	Axe string `json:"axe"`
	// Start is the first address: a link that signs in, or a page.
	Start string `json:"start"`
	// Token is pasted into the form that Start shows, if it is not empty.
	Token string `json:"token"`
	// Home is the page that is reached after signing in; links are followed from there.
	Home string `json:"home"`
	// Most is how many pages are looked at.
	Most int `json:"most"`
	// Pages must be among the pages that links lead to.
	Pages []string `json:"pages"`
	// Downloads are links to files, which must arrive under these names.
	Downloads map[string]string `json:"downloads"`
	// Folder takes the files, and pictures if Pictures is set.
	Folder   string `json:"folder"`
	Pictures bool   `json:"pictures"`
}

var widths = []int64{360, 768, 1280}

var schemes = []string{"light", "dark"}

type driver struct {
	plan   Plan
	axe    string
	mutex  sync.Mutex
	faults []string
	at     string
	status int64
	files  map[string]string
	done   chan string
}

func (d *driver) fault(format string, values ...any) {
	d.mutex.Lock()
	defer d.mutex.Unlock()
	d.faults = append(d.faults, d.at+": "+fmt.Sprintf(format, values...))
}

func main() {
	faults, err := run()
	if err != nil {
		fmt.Fprintln(os.Stderr, "browser:", err)
		os.Exit(2)
	}
	for _, fault := range faults {
		fmt.Println(fault)
	}
	if len(faults) > 0 {
		os.Exit(1)
	}
}

func run() ([]string, error) {
	var plan Plan
	if err := json.NewDecoder(os.Stdin).Decode(&plan); err != nil {
		return nil, fmt.Errorf("the plan can't be read: %w", err)
	}
	axe, err := os.ReadFile(plan.Axe)
	if err != nil {
		return nil, err
	}
	profile, err := os.MkdirTemp(plan.Folder, "profile")
	if err != nil {
		return nil, err
	}
	options := append(chromedp.DefaultExecAllocatorOptions[:],
		chromedp.ExecPath(plan.Browser),
		chromedp.UserDataDir(profile),
		// Root, as in a container, can't have the sandbox; nothing from outside is opened.
		chromedp.NoSandbox,
		// The operator's own certificate is signed by nobody.
		chromedp.Flag("ignore-certificate-errors", true),
		chromedp.Flag("hide-scrollbars", false),
		chromedp.WSURLReadTimeout(2*time.Minute),
	)
	allocator, cancel := chromedp.NewExecAllocator(context.Background(), options...)
	defer cancel()
	tab, cancel := chromedp.NewContext(allocator)
	defer cancel()
	d := &driver{plan: plan, axe: string(axe), files: map[string]string{}, done: make(chan string, 16)}
	if err := chromedp.Do(tab, chromedp.Func(d.begin)); err != nil {
		return nil, fmt.Errorf("Chromium does not start: %w", err)
	}
	if err := chromedp.Listen(tab, d.listen); err != nil {
		return nil, err
	}
	if err := chromedp.ListenBrowser(tab, d.listen); err != nil {
		return nil, err
	}
	limited, cancel := context.WithTimeout(tab, 20*time.Minute)
	defer cancel()
	if err := d.walk(limited); err != nil {
		return nil, fmt.Errorf("%s: %w", d.at, err)
	}
	return d.faults, nil
}

// begin has the browser tell of what it complains of, and of files.
func (d *driver) begin(ctx context.Context, t *chromedp.Target) error {
	if _, err := cdp.Call(ctx, t, log.Enable, cdp.Empty{}); err != nil {
		return err
	}
	if _, err := cdp.Call(ctx, t, network.Enable, network.EnableParams{}); err != nil {
		return err
	}
	if _, err := cdp.Call(ctx, t, runtime.Enable, cdp.Empty{}); err != nil {
		return err
	}
	yes := true
	_, err := cdp.Call(ctx, t, browser.SetDownloadBehavior, browser.SetDownloadBehaviorParams{
		Behavior:      browser.SetDownloadBehaviorBehaviorAllow,
		DownloadPath:  d.plan.Folder,
		EventsEnabled: &yes,
	})
	return err
}

// listen notes what the browser complains of, and which files arrive.
func (d *driver) listen(event any) {
	switch event := event.(type) {
	case *log.EventEntryAdded:
		if event.Entry.Level == log.EntryLevelError {
			d.fault("the browser logs: %s (%s)", event.Entry.Text, event.Entry.URL)
		}
	case *runtime.EventConsoleAPICalled:
		if event.Type == runtime.ConsoleAPICalledTypeError || event.Type == runtime.ConsoleAPICalledTypeWarning {
			d.fault("the console has %s", event.Type)
		}
	case *runtime.EventExceptionThrown:
		d.fault("an exception: %s", event.ExceptionDetails.Text)
	case *page.EventJavascriptDialogOpening:
		d.fault("a dialog opens: %s", event.Message)
	case *network.EventResponseReceived:
		if event.Type == network.ResourceTypeDocument {
			d.mutex.Lock()
			d.status = event.Response.Status
			d.mutex.Unlock()
		}
	case *browser.EventDownloadWillBegin:
		d.mutex.Lock()
		d.files[event.GUID] = event.SuggestedFilename
		d.mutex.Unlock()
	case *browser.EventDownloadProgress:
		if event.State == browser.DownloadProgressStateCompleted {
			d.mutex.Lock()
			name := d.files[event.GUID]
			d.mutex.Unlock()
			d.done <- name
		}
	}
}

func (d *driver) walk(tab context.Context) error {
	if err := d.signIn(tab); err != nil {
		return err
	}
	pages, err := d.crawl(tab)
	if err != nil {
		return err
	}
	d.at = "links"
	for _, wanted := range d.plan.Pages {
		if !contains(pages, wanted) {
			d.fault("no link leads to %s; there are %s", wanted, strings.Join(pages, " "))
		}
	}
	for _, address := range pages {
		for _, scheme := range schemes {
			for _, width := range widths {
				if err := d.look(tab, address, width, scheme); err != nil {
					return err
				}
			}
		}
	}
	for _, address := range []string{d.plan.Home, pages[len(pages)-1]} {
		if err := d.keyboard(tab, address); err != nil {
			return err
		}
	}
	fmt.Fprintf(os.Stderr, "looked at %d pages\n", len(pages))
	return d.downloads(tab)
}

func (d *driver) signIn(tab context.Context) error {
	d.at = "sign in"
	if err := chromedp.Do(tab, chromedp.Navigate(d.plan.Start)); err != nil {
		return err
	}
	if d.plan.Token != "" {
		for _, scheme := range schemes {
			for _, width := range widths {
				if err := d.look(tab, d.plan.Start, width, scheme); err != nil {
					return err
				}
			}
		}
		d.at = "sign in"
		err := chromedp.Do(tab, chromedp.SendKeys("#token", d.plan.Token+kb.Enter))
		if err != nil {
			return err
		}
	}
	// A page that signs in goes on by itself.
	return d.wait(tab, "the first page", `location.pathname === `+quoted(path(d.plan.Home))+` && document.readyState === "complete" && document.querySelector("h1") !== null`)
}

// crawl follows links within the pages, in their order.
func (d *driver) crawl(tab context.Context) ([]string, error) {
	var found []string
	queue := []string{path(d.plan.Home)}
	seen := map[string]bool{queue[0]: true}
	for len(queue) > 0 && len(found) < d.plan.Most {
		next := queue[0]
		queue = queue[1:]
		found = append(found, next)
		d.at = next
		if err := chromedp.Do(tab, chromedp.Navigate(d.absolute(next))); err != nil {
			return nil, err
		}
		links, err := chromedp.Run(tab,
			chromedp.Evaluate[[]string](`[...document.querySelectorAll("a[href]")].map(a => a.href).filter(h => h.startsWith(location.origin)).map(h => { const u = new URL(h); return u.pathname + u.search; })`),
		)
		if err != nil {
			return nil, err
		}
		for _, link := range links {
			if seen[link] || !strings.HasPrefix(link, "/ui/") || strings.Contains(link, "/report.") {
				continue
			}
			seen[link] = true
			queue = append(queue, link)
		}
	}
	return found, nil
}

// measurement is what can be seen of a page without a tool.
type measurement struct {
	Wide    float64  `json:"wide"`
	Seen    float64  `json:"seen"`
	Widest  string   `json:"widest"`
	Scripts int      `json:"scripts"`
	Hostile []string `json:"hostile"`
	Title   string   `json:"title"`
	Heads   int      `json:"heads"`
	Lang    string   `json:"lang"`
}

// look opens a page and checks what can be seen at once.
func (d *driver) look(tab context.Context, address string, width int64, scheme string) error {
	d.at = fmt.Sprintf("%s at %d, %s", path(address), width, scheme)
	features := []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: scheme}}
	err := chromedp.Do(tab,
		chromedp.EmulateViewport(width, 900),
		chromedp.Func(func(ctx context.Context, t *chromedp.Target) error {
			_, err := cdp.Call(ctx, t, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{Features: features})
			return err
		}),
		chromedp.Navigate(d.absolute(address)),
	)
	if err != nil {
		return err
	}
	measured, err := chromedp.Run(tab, chromedp.Evaluate[measurement](measure))
	if err != nil {
		return err
	}
	if err := chromedp.Do(tab, chromedp.Evaluate[chromedp.Void](d.axe+"; undefined")); err != nil {
		return err
	}
	violations, err := chromedp.Run(tab, chromedp.Evaluate[[]string](axeRun, chromedp.EvalAwaitPromise))
	if err != nil {
		return err
	}
	d.mutex.Lock()
	status := d.status
	d.mutex.Unlock()
	if status != 200 && !strings.HasPrefix(d.at, path(d.plan.Start)+" ") {
		d.fault("status %d", status)
	}
	if measured.Wide > measured.Seen {
		d.fault("it is %.0f wide and %.0f are seen; the widest is %s", measured.Wide, measured.Seen, measured.Widest)
	}
	if measured.Scripts > 0 {
		d.fault("it has %d scripts", measured.Scripts)
	}
	for _, hostile := range measured.Hostile {
		d.fault("markup of somebody else's got in: %s", hostile)
	}
	if measured.Title == "" || measured.Heads != 1 || measured.Lang == "" {
		d.fault("title %q, %d headings of the first level, language %q", measured.Title, measured.Heads, measured.Lang)
	}
	for _, violation := range violations {
		d.fault("axe: %s", violation)
	}
	if d.plan.Pictures {
		return d.picture(tab, address, width, scheme)
	}
	return nil
}

const measure = `(() => {
  const seen = document.documentElement.clientWidth;
  let widest = "", right = seen;
  for (const element of document.querySelectorAll("body *")) {
    const box = element.getBoundingClientRect();
    let inner = false;
    for (let up = element.parentElement; up; up = up.parentElement) {
      const flow = getComputedStyle(up).overflowX;
      if (flow === "auto" || flow === "scroll" || flow === "hidden") { inner = true; break; }
    }
    if (!inner && box.right > right + 0.5) { right = box.right; widest = element.outerHTML.slice(0, 200); }
  }
  const hostile = [...document.querySelectorAll("img[src=x], [onerror], [onclick], [onload], script, iframe, object, embed, #pwned, style, base")].map(e => e.outerHTML.slice(0, 200));
  if (window.pwned !== undefined) hostile.push("window.pwned is set");
  for (const a of document.querySelectorAll("a[href]")) {
    if (!/^(https?:)$/.test(new URL(a.href, location).protocol)) hostile.push(a.outerHTML.slice(0, 200));
  }
  return {
    wide: document.documentElement.scrollWidth, seen, widest, scripts: document.scripts.length, hostile,
    title: document.title, heads: document.querySelectorAll("h1").length, lang: document.documentElement.lang,
  };
})()`

const axeRun = `axe.run(document, {resultTypes: ["violations"]}).then(r => r.violations.map(v => v.id + " (" + v.impact + "): " + v.help + ": " + v.nodes.slice(0, 3).map(n => n.html.slice(0, 160) + " " + (n.failureSummary || "").replace(/\s+/g, " ").slice(0, 200)).join(" | ")))`

// keyboard walks a page with the tab key: the link that skips to the content comes first, everything
// that can be used is reached in the order of the page, and each is seen to be reached.
func (d *driver) keyboard(tab context.Context, address string) error {
	d.at = "keyboard on " + path(address)
	if err := chromedp.Do(tab, chromedp.EmulateViewport(1280, 900), chromedp.Navigate(d.absolute(address))); err != nil {
		return err
	}
	total, err := chromedp.Run(tab,
		chromedp.Evaluate[int](`window.focusables = [...document.querySelectorAll("a[href], button, input:not([type=hidden]), select, textarea, summary, [tabindex='0']")].filter(e => e.checkVisibility({visibilityProperty: true}) && !e.disabled); focusables.length`),
	)
	if err != nil {
		return err
	}
	type focus struct {
		Index   int    `json:"index"`
		Html    string `json:"html"`
		Href    string `json:"href"`
		Visible bool   `json:"visible"`
	}
	last := -1
	steps := total
	if steps > 80 {
		steps = 80
	}
	for step := 0; step < steps; step++ {
		if err := chromedp.Do(tab, chromedp.KeyEvent(kb.Tab)); err != nil {
			return err
		}
		now, err := chromedp.Run(tab, chromedp.Evaluate[focus](focused))
		if err != nil {
			return err
		}
		if step == 0 && !strings.HasPrefix(now.Href, "#") {
			d.fault("the first stop skips nothing: %s", now.Html)
		}
		if now.Index <= last {
			d.fault("stop %d of %d is out of order: %s", step+1, total, now.Html)
			break
		}
		if !now.Visible {
			d.fault("nothing shows where the focus is: %s", now.Html)
		}
		last = now.Index
	}
	// The first link leads to what is there.
	if err := chromedp.Do(tab, chromedp.Navigate(d.absolute(address)), chromedp.KeyEvent(kb.Tab+kb.Enter)); err != nil {
		return err
	}
	reached, err := chromedp.Run(tab,
		chromedp.Evaluate[bool](`(() => { const t = document.querySelector(location.hash || "#none"); return t !== null && t.matches("main, main *"); })()`),
	)
	if err == nil && !reached {
		d.fault("the link that skips to the content does not lead there")
	}
	return err
}

const focused = `(() => {
  const e = document.activeElement;
  const style = getComputedStyle(e);
  const box = e.getBoundingClientRect();
  const marked = (style.outlineStyle !== "none" && parseFloat(style.outlineWidth) > 0) || style.boxShadow !== "none";
  return {
    index: focusables.indexOf(e), html: e.outerHTML.slice(0, 160), href: e.getAttribute("href") || "",
    visible: marked && box.width > 0 && box.height > 0 && box.right > 0 && box.bottom > 0,
  };
})()`

// downloads follows links to files and waits for each to arrive.
func (d *driver) downloads(tab context.Context) error {
	links := make([]string, 0, len(d.plan.Downloads))
	for link := range d.plan.Downloads {
		links = append(links, link)
	}
	sort.Strings(links)
	for _, link := range links {
		d.at = "download of " + link
		err := chromedp.Do(tab,
			chromedp.Navigate(d.absolute(link[:strings.LastIndex(link, "/")])),
			chromedp.Click(`a[href=`+quoted(link)+`]`),
		)
		if err != nil {
			return err
		}
		select {
		case name := <-d.done:
			if name != d.plan.Downloads[link] {
				d.fault("it arrives as %s and not as %s", name, d.plan.Downloads[link])
			}
			file, err := os.Stat(filepath.Join(d.plan.Folder, name))
			if err != nil || file.Size() == 0 {
				d.fault("there is no file %s: %v", name, err)
			}
		case <-time.After(2 * time.Minute):
			d.fault("it does not arrive")
		}
	}
	return nil
}

func (d *driver) picture(tab context.Context, address string, width int64, scheme string) error {
	picture, err := chromedp.Run(tab, chromedp.FullScreenshot(80))
	if err != nil {
		return err
	}
	name := strings.Trim(strings.NewReplacer("/", "-", "?", "-", "&", "-", "=", "-").Replace(path(address)), "-")
	name = fmt.Sprintf("%s-%d-%s.jpg", name, width, scheme)
	return os.WriteFile(filepath.Join(d.plan.Folder, name), picture, 0o600)
}

func (d *driver) wait(tab context.Context, what, condition string) error {
	limit, cancel := context.WithTimeout(tab, time.Minute)
	defer cancel()
	_, err := chromedp.Run(limit, chromedp.Poll[bool](condition, chromedp.WithPollingInterval(50*time.Millisecond)))
	if err != nil {
		at, _ := chromedp.Run(tab, chromedp.Evaluate[string](`location.href + " " + document.body.innerText.slice(0, 300)`))
		return fmt.Errorf("%s does not come: %s: %w", what, at, err)
	}
	return nil
}

func (d *driver) absolute(address string) string {
	base, err := url.Parse(d.plan.Home)
	if err != nil {
		return address
	}
	target, err := base.Parse(address)
	if err != nil {
		return address
	}
	return target.String()
}

func path(address string) string {
	parsed, err := url.Parse(address)
	if err != nil {
		return address
	}
	return parsed.RequestURI()
}

func quoted(text string) string {
	quoted, _ := json.Marshal(text)
	return string(quoted)
}

func contains(list []string, wanted string) bool {
	for _, one := range list {
		if one == wanted {
			return true
		}
	}
	return false
}
