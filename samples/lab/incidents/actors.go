// Actors of an incident: real TLS servers that fail in a chosen way, and a client with the transport settings of the API server.
//
//	actors certs DIR             writes authorities and certificates, the good ones and the bad
//	actors serve FLAGS           a server; -help says how it can fail
//	actors call PLAN.json        makes the calls of a plan; one JSON object a call on standard output
//
// What a server would log goes to its standard error, as Go's net/http writes it.
package main

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"encoding/pem"
	"flag"
	"fmt"
	"io"
	"log"
	"math/big"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

func check(err error) {
	if err != nil {
		panic(err)
	}
}

func main() {
	switch os.Args[1] {
	case "certs":
		writeCertificates(os.Args[2])
	case "serve":
		serve(os.Args[2:])
	case "call":
		text, err := os.ReadFile(os.Args[2])
		check(err)
		var plans []plan
		check(json.Unmarshal(text, &plans))
		done := make(chan bool)
		for _, p := range plans {
			go func() { p.run(); done <- true }()
		}
		for range plans {
			<-done
		}
	}
}

// ---- certificates

type authority struct {
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
}

func writePEM(path string, blocks ...*pem.Block) {
	var text []byte
	for _, block := range blocks {
		text = append(text, pem.EncodeToMemory(block)...)
	}
	check(os.WriteFile(path, text, 0o600))
}

func sign(dir, file string, template *x509.Certificate, parent *authority) authority {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	check(err)
	serial, err := rand.Int(rand.Reader, big.NewInt(1<<62))
	check(err)
	template.SerialNumber = serial
	if template.NotBefore.IsZero() {
		template.NotBefore = time.Now().Add(-48 * time.Hour)
	}
	if template.NotAfter.IsZero() {
		template.NotAfter = time.Now().Add(8760 * time.Hour)
	}
	above := authority{template, key}
	if parent != nil {
		above = *parent
	}
	der, err := x509.CreateCertificate(rand.Reader, template, above.cert, &key.PublicKey, above.key)
	check(err)
	cert, err := x509.ParseCertificate(der)
	check(err)
	encoded, err := x509.MarshalECPrivateKey(key)
	check(err)
	writePEM(filepath.Join(dir, file+".crt"), &pem.Block{Type: "CERTIFICATE", Bytes: der})
	writePEM(filepath.Join(dir, file+".key"), &pem.Block{Type: "EC PRIVATE KEY", Bytes: encoded})
	return authority{cert, key}
}

func newAuthority(dir, file, name string) authority {
	return sign(dir, file, &x509.Certificate{
		Subject: pkix.Name{CommonName: name}, IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageDigitalSignature,
	}, nil)
}

func leaf(name string, names []string, addresses ...string) *x509.Certificate {
	template := &x509.Certificate{
		Subject: pkix.Name{CommonName: name}, DNSNames: names, KeyUsage: x509.KeyUsageDigitalSignature,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}
	for _, a := range addresses {
		template.IPAddresses = append(template.IPAddresses, net.ParseIP(a))
	}
	return template
}

func writeCertificates(dir string) {
	check(os.MkdirAll(dir, 0o755))
	ca := newAuthority(dir, "ca", "hooks-ca")
	regenerated := newAuthority(dir, "ca-before", "hooks-ca") // the same name, another key
	kube := newAuthority(dir, "kube-ca", "kubernetes")
	hook := []string{"hook.shop.svc", "hook.shop.svc.cluster.local"}
	sign(dir, "hook", leaf("hook.shop.svc", hook), &ca)
	sign(dir, "hook-old", leaf("hook.shop.svc", hook), &regenerated)
	sign(dir, "other", leaf("other.shop.svc", []string{"other.shop.svc"}), &ca)
	sign(dir, "cn-only", leaf("hook.shop.svc", nil), &ca)
	early := leaf("hook.shop.svc", hook)
	early.NotBefore, early.NotAfter = time.Now().Add(72*time.Hour), time.Now().Add(9000*time.Hour)
	sign(dir, "early", early, &ca)
	late := leaf("hook.shop.svc", hook)
	late.NotAfter = time.Now().Add(-2 * time.Hour)
	sign(dir, "expired", late, &ca)
	sign(dir, "url", leaf("hooks.example.com", []string{"hooks.example.com", "issuer.example.com"}, "192.168.64.30"), &ca)
	selfMade := newAuthority(dir, "kubelet-ca", "node-1-ca@1795227942") // as a kubelet without a signed serving certificate makes it
	sign(dir, "self", leaf("node-1@1795227942", []string{"node-1"}), &selfMade)
	sign(dir, "apiserver", leaf("kube-apiserver", []string{"kubernetes", "kubernetes.default.svc"}, "192.168.64.10", "127.0.0.1"), &kube)
	sign(dir, "etcd", leaf("etcd", []string{"localhost"}, "192.168.64.30", "127.0.0.1", "192.168.64.10"), &kube)
	sign(dir, "client", leaf("system:apiserver", nil), &kube)
	sign(dir, "client-bad", leaf("system:apiserver", nil), &regenerated)
}

// ---- servers

var versions = map[string]uint16{"1.0": tls.VersionTLS10, "1.1": tls.VersionTLS11, "1.2": tls.VersionTLS12, "1.3": tls.VersionTLS13, "": 0}

func cipher(name string) uint16 {
	for _, c := range append(tls.CipherSuites(), tls.InsecureCipherSuites()...) {
		if c.Name == name {
			return c.ID
		}
	}
	panic("no such cipher suite: " + name)
}

func pool(file string) *x509.CertPool {
	text, err := os.ReadFile(file)
	check(err)
	p := x509.NewCertPool()
	p.AppendCertsFromPEM(text)
	return p
}

// slowListener waits before it hands a connection over: TCP is up, TLS does not begin.
type slowListener struct {
	net.Listener
	delay time.Duration
}

type slowConn struct {
	net.Conn
	ready time.Time
}

func (l slowListener) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	return &slowConn{c, time.Now().Add(l.delay)}, err
}

func (c *slowConn) Read(b []byte) (int, error) {
	time.Sleep(time.Until(c.ready))
	return c.Conn.Read(b)
}

func answer(kind, name string) http.HandlerFunc {
	kind, arg, _ := strings.Cut(kind, ":")
	requests := 0
	return func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		var review struct{ Request struct{ UID string } }
		json.Unmarshal(body, &review)
		log.Printf("%s: %s %s from %s", name, r.Method, r.URL.Path, r.RemoteAddr)
		requests++
		ok := func() {
			w.Header().Set("Content-Type", "application/json")
			fmt.Fprintf(w, `{"kind":"AdmissionReview","apiVersion":"admission.k8s.io/v1","response":{"uid":%q,"allowed":true}}`, review.Request.UID)
		}
		switch kind {
		case "ok":
			ok()
		case "slow", "then-slow":
			if kind == "slow" || requests > 2 {
				wait, err := time.ParseDuration(arg)
				check(err)
				time.Sleep(wait)
			}
			ok()
		case "status":
			var code int
			fmt.Sscan(arg, &code)
			http.Error(w, map[int]string{404: "404 page not found", 500: "panic: runtime error: invalid memory address or nil pointer dereference [recovered]"}[code], code)
		case "empty":
			w.Header().Set("Content-Type", "application/json")
			io.WriteString(w, `{}`)
		case "html":
			w.Header().Set("Content-Type", "text/html; charset=utf-8")
			io.WriteString(w, "<!doctype html><html><head><title>Sign in</title></head><body>Sign in to continue</body></html>")
		case "close":
			panic(http.ErrAbortHandler)
		}
	}
}

func raw(kind string, listener net.Listener) {
	kind, arg, _ := strings.Cut(kind, ":")
	if kind == "never-accept" {
		time.Sleep(time.Hour)
	}
	for {
		conn, err := listener.Accept()
		check(err)
		go func() {
			switch kind {
			case "silent":
				io.Copy(io.Discard, conn)
			case "close":
				conn.Read(make([]byte, 4096))
				conn.Close()
			case "close-at-once":
				conn.Close()
			case "reset":
				conn.Read(make([]byte, 4096))
				conn.(*net.TCPConn).SetLinger(0)
				conn.Close()
			case "text":
				io.WriteString(conn, arg+"\r\n")
				conn.Read(make([]byte, 4096))
				conn.Close()
			case "connect": // an HTTP proxy that refuses every tunnel
				conn.Read(make([]byte, 4096))
				io.WriteString(conn, "HTTP/1.1 "+arg+"\r\nServer: squid/5.7\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
				conn.Close()
			}
		}()
	}
}

func listen(address string, backlog int) net.Listener {
	l, err := net.Listen("tcp", address)
	check(err)
	if backlog > 0 {
		c, err := l.(*net.TCPListener).SyscallConn()
		check(err)
		c.Control(func(fd uintptr) { check(syscall.Listen(int(fd), backlog)) })
	}
	return l
}

func serve(args []string) {
	f := flag.NewFlagSet("serve", flag.ExitOnError)
	address := f.String("listen", "", "address and port")
	cert := f.String("cert", "", "certificate and key: FILE.crt and FILE.key")
	clientCA := f.String("client-ca", "", "authority that clients must present a certificate of")
	low, high := f.String("min", "", "lowest TLS version"), f.String("max", "", "highest TLS version")
	ciphers := f.String("cipher", "", "the only cipher suite (TLS 1.2)")
	delay := f.Duration("hello-delay", 0, "time before the server reads a ClientHello")
	how := f.String("answer", "ok", "ok, slow:2s, then-slow:20s, status:500, empty, html, close")
	rawKind := f.String("raw", "", "no TLS at all: silent, close, close-at-once, reset, text:…, never-accept, connect:403 Forbidden")
	plain := f.Bool("plain", false, "HTTP without TLS")
	backlog := f.Int("backlog", 0, "length of the accept queue")
	name := f.String("name", "webhook", "name in the log")
	check(f.Parse(args))
	l := listen(*address, *backlog)
	log.SetFlags(log.LstdFlags)
	fmt.Println("ready")
	if *rawKind != "" {
		raw(*rawKind, l)
	}
	if *delay > 0 {
		l = slowListener{l, *delay}
	}
	server := &http.Server{Handler: answer(*how, *name), TLSConfig: &tls.Config{MinVersion: versions[*low], MaxVersion: versions[*high]}}
	if *ciphers != "" { // a suite that HTTP/2 forbids, perhaps
		server.TLSNextProto = map[string]func(*http.Server, *tls.Conn, http.Handler){}
	}
	if *low == "1.0" || *high == "1.1" {
		server.TLSConfig.MinVersion = tls.VersionTLS10
	}
	if *ciphers != "" {
		server.TLSConfig.CipherSuites, server.TLSConfig.MaxVersion = []uint16{cipher(*ciphers)}, tls.VersionTLS12
	}
	if *clientCA != "" {
		server.TLSConfig.ClientAuth, server.TLSConfig.ClientCAs = tls.RequireAndVerifyClientCert, pool(*clientCA)
	}
	if *plain {
		server.Serve(l)
		return
	}
	server.ServeTLS(l, *cert+".crt", *cert+".key")
}

// ---- the client

// plan is a series of calls to one target, one after the other.
type plan struct {
	Name, Method, URL string
	Dial              string  // address to dial instead of what the URL names
	SNI, CA, Cert     string  // server name, authority file, certificate without suffix
	Timeout           float64 // of the request's context, in seconds
	ClientTimeout     float64 // of the HTTP client
	HandshakeTimeout  float64 // 10 if not given
	Proxy             string
	HTTP2, Fresh      bool // offer HTTP/2; a new connection for each call
	Count             int
	Gap, Delay        float64
	MaxVersion        string
	Plain             bool // http
}

type outcome struct {
	Name, URL, Error, Body string
	Status                 int
	Type                   string
	Start, End             int64
}

func seconds(f float64) time.Duration { return time.Duration(f * float64(time.Second)) }

func (p plan) transport() *http.Transport {
	if p.HandshakeTimeout == 0 {
		p.HandshakeTimeout = 10
	}
	config := &tls.Config{ServerName: p.SNI, MaxVersion: versions[p.MaxVersion]}
	if p.CA != "" {
		config.RootCAs = pool(p.CA)
	}
	if p.Cert != "" {
		pair, err := tls.LoadX509KeyPair(p.Cert+".crt", p.Cert+".key")
		check(err)
		// Whatever the server says it accepts, as client-go does.
		config.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return &pair, nil }
	}
	if !p.HTTP2 {
		config.NextProtos = []string{"http/1.1"}
	}
	dialer := &net.Dialer{Timeout: 30 * time.Second, KeepAlive: 30 * time.Second}
	t := &http.Transport{
		TLSClientConfig: config, TLSHandshakeTimeout: seconds(p.HandshakeTimeout), ForceAttemptHTTP2: p.HTTP2, MaxIdleConnsPerHost: 25,
		DialContext: func(ctx context.Context, network, address string) (net.Conn, error) {
			if p.Dial != "" && p.Proxy == "" {
				address = p.Dial
			}
			return dialer.DialContext(ctx, network, address)
		},
	}
	if p.Proxy != "" {
		proxy, err := url.Parse(p.Proxy)
		check(err)
		t.Proxy = http.ProxyURL(proxy)
	}
	return t
}

func (p plan) run() {
	time.Sleep(seconds(p.Delay))
	transport := p.transport()
	if p.Method == "" {
		p.Method = "POST"
	}
	for n := range max(p.Count, 1) {
		if n > 0 {
			time.Sleep(seconds(p.Gap))
		}
		client := &http.Client{Transport: transport, Timeout: seconds(p.ClientTimeout)}
		out := outcome{Name: p.Name, URL: p.URL, Start: time.Now().UnixNano()}
		ctx, cancel := context.WithCancel(context.Background())
		if p.Timeout > 0 {
			ctx, cancel = context.WithTimeout(context.Background(), seconds(p.Timeout))
		}
		review := fmt.Sprintf(`{"kind":"AdmissionReview","apiVersion":"admission.k8s.io/v1","request":{"uid":"7a0f-%d","object":{"data":%q}}}`, n, strings.Repeat("x", 700))
		request, err := http.NewRequestWithContext(ctx, p.Method, p.URL, strings.NewReader(review))
		check(err)
		response, err := client.Do(request)
		if err != nil {
			out.Error = err.Error()
		} else {
			body, err := io.ReadAll(response.Body)
			response.Body.Close()
			out.Status, out.Body, out.Type = response.StatusCode, string(body), response.Header.Get("Content-Type")
			if err != nil {
				out.Error = err.Error()
			}
		}
		cancel()
		out.End = time.Now().UnixNano()
		json.NewEncoder(os.Stdout).Encode(out)
		if p.Fresh {
			transport.CloseIdleConnections()
		}
	}
	time.Sleep(300 * time.Millisecond)
	transport.CloseIdleConnections()
}
