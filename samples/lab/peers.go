// Peers of one TLS connection that fails (or not) in a chosen way; record.sh runs it once per scenario.
//
//	peers certs DIR            writes the certificates that the OpenSSL scenarios use
//	peers both SCENARIO        server and client, Go on both sides
//	peers server SCENARIO DIR  a Go server for openssl s_client, until it has served one connection
//	peers client SCENARIO DIR  a Go client for openssl s_server
//
// What each side would log goes to standard output. SSLKEYLOGFILE is honoured.
package main

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"log"
	"math/big"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"
)

const address = "127.0.0.1:8443"

type authority struct {
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
}

func check(err error) {
	if err != nil {
		panic(err)
	}
}

func newAuthority(name string) authority {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	check(err)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name}, IsCA: true, BasicConstraintsValid: true,
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(1000 * time.Hour), KeyUsage: x509.KeyUsageCertSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	check(err)
	cert, err := x509.ParseCertificate(der)
	check(err)
	return authority{cert, key}
}

func (a authority) issue(name string, expired bool, usage x509.ExtKeyUsage) tls.Certificate {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	check(err)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(0x1234), Subject: pkix.Name{CommonName: name}, DNSNames: []string{name},
		NotBefore: time.Now().Add(-48 * time.Hour), NotAfter: time.Now().Add(100 * time.Hour),
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{usage},
	}
	if expired {
		template.NotAfter = time.Now().Add(-time.Hour)
	}
	der, err := x509.CreateCertificate(rand.Reader, template, a.cert, &key.PublicKey, a.key)
	check(err)
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
}

func (a authority) pool() *x509.CertPool {
	pool := x509.NewCertPool()
	pool.AddCert(a.cert)
	return pool
}

// plan is what differs from one scenario to the next.
type plan struct {
	server, client *tls.Config
	http           http.Handler
	raw            func(net.Conn)
	plain          bool
	tlsTimer       time.Duration
	deadline       time.Duration
	requests       int
	closeIdle      bool
}

func makePlan(scenario string, right, wrong authority) plan {
	name := "webhook.shop.svc"
	serving := right.issue(name, false, x509.ExtKeyUsageServerAuth)
	p := plan{
		server:   &tls.Config{Certificates: []tls.Certificate{serving}, NextProtos: []string{"http/1.1"}},
		client:   &tls.Config{RootCAs: right.pool(), ServerName: name, NextProtos: []string{"http/1.1"}},
		tlsTimer: 2 * time.Second, deadline: 3 * time.Second, requests: 1, closeIdle: true,
		http: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			io.Copy(io.Discard, r.Body)
			io.WriteString(w, `{"kind":"AdmissionReview","apiVersion":"admission.k8s.io/v1","response":{"allowed":true}}`)
		}),
	}
	kind, version, _ := strings.Cut(scenario, "-tls")
	if version == "12" {
		p.client.MaxVersion = tls.VersionTLS12
	}
	mutual := func() { p.server.ClientAuth, p.server.ClientCAs = tls.RequireAndVerifyClientCert, right.pool() }
	present := func(c tls.Certificate) {
		// Sent whatever the server says it accepts, as the API server does.
		p.client.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return &c, nil }
	}
	switch kind {
	case "ok", "go-server", "go-client":
	case "ok-mutual":
		mutual()
		present(right.issue("system:apiserver", false, x509.ExtKeyUsageClientAuth))
	case "unknown-ca":
		p.client.RootCAs = wrong.pool()
	case "expired-server":
		p.server.Certificates = []tls.Certificate{right.issue(name, true, x509.ExtKeyUsageServerAuth)}
	case "wrong-name":
		p.server.Certificates = []tls.Certificate{right.issue("other.shop.svc", false, x509.ExtKeyUsageServerAuth)}
	case "no-client-cert":
		mutual()
	case "bad-client-cert":
		mutual()
		present(wrong.issue("system:apiserver", false, x509.ExtKeyUsageClientAuth))
	case "expired-client-cert":
		mutual()
		present(right.issue("system:apiserver", true, x509.ExtKeyUsageClientAuth))
	case "version-mismatch":
		p.client.MaxVersion, p.server.MinVersion = tls.VersionTLS12, tls.VersionTLS13
	case "alpn-mismatch":
		p.client.NextProtos = []string{"h3"}
	case "no-common-cipher":
		p.client.MaxVersion = tls.VersionTLS12
		p.client.CipherSuites = []uint16{tls.TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384}
		p.server.CipherSuites = []uint16{tls.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256}
	case "no-serving-cert":
		p.server = &tls.Config{GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) {
			return nil, errors.New("no serving certificate available for the kubelet")
		}}
	case "hello-retry":
		p.client.CurvePreferences = []tls.CurveID{tls.X25519, tls.CurveP384}
		p.server.CurvePreferences = []tls.CurveID{tls.CurveP384}
	case "plain-http-server":
		p.plain = true
	case "silent-server":
		p.tlsTimer = 300 * time.Millisecond
		p.raw = func(c net.Conn) { time.Sleep(600 * time.Millisecond) }
	case "close-on-accept":
		p.raw = func(net.Conn) {}
	case "close-after-hello":
		p.raw = func(c net.Conn) { c.Read(make([]byte, 4096)) }
	case "reset-after-hello":
		p.raw = func(c net.Conn) {
			c.Read(make([]byte, 4096))
			c.(*net.TCPConn).SetLinger(0)
		}
	case "slow-handler":
		p.deadline = 300 * time.Millisecond
		p.http = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { time.Sleep(600 * time.Millisecond) })
	case "close-instead-of-response":
		p.http = http.HandlerFunc(func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) })
	case "second-request-unanswered":
		p.requests, p.deadline = 2, 300*time.Millisecond
		answered := 0
		p.http = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			answered++
			if answered > 1 {
				time.Sleep(600 * time.Millisecond)
			}
			io.WriteString(w, "{}")
		})
	default:
		panic("no such scenario: " + scenario)
	}
	return p
}

func serve(p plan, listener net.Listener) {
	if p.raw != nil {
		conn, err := listener.Accept()
		check(err)
		p.raw(conn)
		conn.Close()
		return
	}
	server := &http.Server{Handler: p.http, ErrorLog: log.New(os.Stdout, "server: ", 0), TLSConfig: p.server}
	if p.plain {
		server.Serve(listener)
	} else {
		server.ServeTLS(listener, "", "")
	}
}

func call(p plan) {
	transport := &http.Transport{TLSClientConfig: p.client, TLSHandshakeTimeout: p.tlsTimer}
	client := &http.Client{Transport: transport}
	for range p.requests {
		ctx, cancel := context.WithTimeout(context.Background(), p.deadline)
		request, err := http.NewRequestWithContext(ctx, "POST", "https://"+address+"/validate", strings.NewReader(`{"kind":"AdmissionReview"}`))
		check(err)
		response, err := client.Do(request)
		if err != nil {
			fmt.Println("client:", err)
		} else {
			_, err = io.Copy(io.Discard, response.Body)
			response.Body.Close()
			fmt.Println("client:", response.Status, err)
		}
		cancel()
		time.Sleep(150 * time.Millisecond)
	}
	transport.CloseIdleConnections()
	time.Sleep(500 * time.Millisecond)
}

func writeFiles(dir string) {
	right, wrong := newAuthority("lab-ca"), newAuthority("other-ca")
	write := func(name string, blocks ...*pem.Block) {
		var text []byte
		for _, block := range blocks {
			text = append(text, pem.EncodeToMemory(block)...)
		}
		check(os.WriteFile(filepath.Join(dir, name), text, 0o600))
	}
	pair := func(name string, c tls.Certificate) {
		key, err := x509.MarshalECPrivateKey(c.PrivateKey.(*ecdsa.PrivateKey))
		check(err)
		write(name, &pem.Block{Type: "CERTIFICATE", Bytes: c.Certificate[0]}, &pem.Block{Type: "EC PRIVATE KEY", Bytes: key})
	}
	write("ca.pem", &pem.Block{Type: "CERTIFICATE", Bytes: right.cert.Raw})
	write("other-ca.pem", &pem.Block{Type: "CERTIFICATE", Bytes: wrong.cert.Raw})
	pair("server.pem", right.issue("webhook.shop.svc", false, x509.ExtKeyUsageServerAuth))
	pair("client.pem", right.issue("system:apiserver", false, x509.ExtKeyUsageClientAuth))
	pair("bad-client.pem", wrong.issue("system:apiserver", false, x509.ExtKeyUsageClientAuth))
}

func main() {
	if os.Args[1] == "certs" {
		writeFiles(os.Args[2])
		return
	}
	mode, scenario := os.Args[1], os.Args[2]
	right := newAuthority("lab-ca")
	p := makePlan(scenario, right, newAuthority("other-ca"))
	if name := os.Getenv("SSLKEYLOGFILE"); name != "" {
		file, err := os.Create(name)
		check(err)
		p.client.KeyLogWriter = file
	}
	if mode != "both" {
		serving, err := tls.LoadX509KeyPair(filepath.Join(os.Args[3], "server.pem"), filepath.Join(os.Args[3], "server.pem"))
		check(err)
		p.server.Certificates = []tls.Certificate{serving}
		text, err := os.ReadFile(filepath.Join(os.Args[3], "ca.pem"))
		check(err)
		p.client.RootCAs = x509.NewCertPool()
		p.client.RootCAs.AppendCertsFromPEM(text)
	}
	if mode != "client" {
		listener, err := net.Listen("tcp", address)
		check(err)
		if mode == "server" {
			time.AfterFunc(3*time.Second, func() { os.Exit(0) })
			serve(p, listener)
			return
		}
		go serve(p, listener)
	}
	call(p)
}
