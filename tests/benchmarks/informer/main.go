// The yardstick of the benchmarks: what a competent Go programmer writes as the least equivalent of the sidecar.
//
// A client-go shared informer follows the EndpointSlices of one Service and keeps one file of the sidecar's `json`
// format true, to the same bytes. Like most such programs it renders everything from the store at every event, skips
// what it wrote already, and has neither a settle time nor fsync, metrics, health or a floor over restarts. It
// prints nothing, so that no log is in the comparison.
package main

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"flag"
	"log"
	"os"
	"slices"

	discovery "k8s.io/api/discovery/v1"
	meta "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/cache"
	"k8s.io/client-go/tools/clientcmd"
)

// member is one line of the file; the order of the fields is the order there.
type member struct {
	Name        string   `json:"name"`
	Namespace   string   `json:"namespace"`
	Service     string   `json:"service"`
	UID         string   `json:"uid"`
	Address     string   `json:"address"`
	Addresses   []string `json:"addresses"`
	Port        *int32   `json:"port"`
	Hostname    string   `json:"hostname"`
	Node        string   `json:"node"`
	Zone        string   `json:"zone"`
	Ready       bool     `json:"ready"`
	Serving     bool     `json:"serving"`
	Terminating bool     `json:"terminating"`
	Self        bool     `json:"self"`
}

func either[T any](optional *T, unset T) T {
	if optional == nil {
		return unset
	}
	return *optional
}

func newMember(slice *discovery.EndpointSlice, endpoint *discovery.Endpoint) member {
	made := member{
		Namespace: slice.Namespace,
		Service:   slice.Labels[discovery.LabelServiceName],
		Address:   endpoint.Addresses[0],
		Addresses: endpoint.Addresses[:1],
		Hostname:  either(endpoint.Hostname, ""),
		Node:      either(endpoint.NodeName, ""),
		Zone:      either(endpoint.Zone, ""),
		Ready:     either(endpoint.Conditions.Ready, true),
	}
	made.Serving = either(endpoint.Conditions.Serving, made.Ready)
	made.Terminating = either(endpoint.Conditions.Terminating, false)
	if target := endpoint.TargetRef; target != nil {
		made.Name, made.UID = target.Name, string(target.UID)
	}
	if len(slice.Ports) == 1 {
		made.Port = slice.Ports[0].Port
	}
	return made
}

func render(store cache.Store) []byte {
	var members []member
	for _, object := range store.List() {
		slice := object.(*discovery.EndpointSlice)
		for i := range slice.Endpoints {
			if made := newMember(slice, &slice.Endpoints[i]); !made.Terminating {
				members = append(members, made)
			}
		}
	}
	slices.SortFunc(members, func(a, b member) int {
		return cmp.Or(
			cmp.Compare(a.Namespace, b.Namespace), cmp.Compare(a.Service, b.Service), cmp.Compare(a.Name, b.Name),
		)
	})
	var body bytes.Buffer
	body.WriteString(`{"schema": "membership/v1", "source": "endpointslice", "members": [`)
	separator := "\n"
	for i := range members {
		line, err := json.Marshal(&members[i])
		must(err)
		body.WriteString(separator)
		body.Write(line)
		separator = ",\n"
	}
	if len(members) > 0 {
		body.WriteString("\n")
	}
	body.WriteString("]}\n")
	return body.Bytes()
}

func must(err error) {
	if err != nil {
		log.Fatal(err)
	}
}

func main() {
	kubeconfig := flag.String("kubeconfig", "", "path of the kubeconfig")
	namespace := flag.String("namespace", "default", "namespace of the Service")
	service := flag.String("service", "", "name of the Service")
	output := flag.String("output", "", "the file to keep true")
	flag.Parse()
	config, err := clientcmd.BuildConfigFromFlags("", *kubeconfig)
	must(err)
	factory := informers.NewSharedInformerFactoryWithOptions(
		kubernetes.NewForConfigOrDie(config), 0, informers.WithNamespace(*namespace),
		informers.WithTweakListOptions(func(options *meta.ListOptions) {
			options.LabelSelector = discovery.LabelServiceName + "=" + *service
		}),
	)
	informer := factory.Discovery().V1().EndpointSlices().Informer()
	changed := make(chan struct{}, 1) // latest wins: events during a publication make one more
	notify := func() {
		select {
		case changed <- struct{}{}:
		default:
		}
	}
	_, err = informer.AddEventHandler(cache.ResourceEventHandlerFuncs{
		AddFunc:    func(any) { notify() },
		UpdateFunc: func(any, any) { notify() },
		DeleteFunc: func(any) { notify() },
	})
	must(err)
	factory.Start(context.Background().Done())
	factory.WaitForCacheSync(context.Background().Done())
	var written []byte
	for range changed {
		if body := render(informer.GetStore()); !bytes.Equal(body, written) {
			must(os.WriteFile(*output+".tmp", body, 0o644))
			must(os.Rename(*output+".tmp", *output))
			written = body
		}
	}
}
