// A scheduler on mesos-go 0.0.6 (Debian's golang-github-mesos-mesos-go-dev), which speaks protobuf.
//
// `mesos_go HOST:PORT COUNT` runs COUNT command tasks; it exits with 0 if all finished.
package main

import (
	"context"
	"fmt"
	"os"
	"strconv"

	"github.com/mesos/mesos-go/api/v1/lib"
	"github.com/mesos/mesos-go/api/v1/lib/encoding/codecs"
	"github.com/mesos/mesos-go/api/v1/lib/httpcli"
	"github.com/mesos/mesos-go/api/v1/lib/httpcli/httpsched"
	"github.com/mesos/mesos-go/api/v1/lib/resources"
	"github.com/mesos/mesos-go/api/v1/lib/scheduler"
	"github.com/mesos/mesos-go/api/v1/lib/scheduler/calls"
)

func check(err error) {
	if err != nil {
		fmt.Println("error", err)
		os.Exit(1)
	}
}

func main() {
	count, err := strconv.Atoi(os.Args[2])
	check(err)
	caller := httpsched.NewCaller(httpcli.New(
		httpcli.Endpoint("http://"+os.Args[1]+"/api/v1/scheduler"),
		httpcli.Codec(codecs.ByMediaType[codecs.MediaTypeProtobuf]),
	))
	ctx := context.Background()
	stream, err := caller.Call(ctx, calls.Subscribe(&mesos.FrameworkInfo{User: "root", Name: "mesos-go"}))
	check(err)
	defer stream.Close()

	id, launched, finished, ended := "", 0, 0, 0
	send := func(call *scheduler.Call) {
		response, err := caller.Call(ctx, call.With(calls.Framework(id)))
		check(err)
		if response != nil {
			response.Close()
		}
	}
	for ended < count {
		var event scheduler.Event
		check(stream.Decode(&event))
		switch event.GetType() {
		case scheduler.Event_SUBSCRIBED:
			id = event.GetSubscribed().GetFrameworkID().GetValue()
			fmt.Println("subscribed", id)
		case scheduler.Event_OFFERS:
			for _, offer := range event.GetOffers().GetOffers() {
				tasks := []mesos.TaskInfo{}
				for ; launched < count && len(tasks) < 5; launched++ {
					name, command := fmt.Sprintf("task-%d", launched), "exit 0"
					tasks = append(tasks, mesos.TaskInfo{
						Name:    name,
						TaskID:  mesos.TaskID{Value: name},
						AgentID: offer.AgentID,
						Command: &mesos.CommandInfo{Value: &command},
						Resources: mesos.Resources{
							resources.NewCPUs(0.1).Resource,
							resources.NewMemory(32).Resource,
						},
					})
				}
				if len(tasks) == 0 {
					send(calls.Decline(offer.ID))
				} else {
					send(calls.Accept(calls.OfferOperations{calls.OpLaunch(tasks...)}.WithOffers(offer.ID)))
				}
			}
		case scheduler.Event_UPDATE:
			status := event.GetUpdate().GetStatus()
			fmt.Println(status.TaskID.Value, status.GetState())
			if len(status.GetUUID()) > 0 {
				send(calls.Acknowledge(status.GetAgentID().GetValue(), status.TaskID.Value, status.UUID))
			}
			switch status.GetState() {
			case mesos.TASK_STAGING, mesos.TASK_STARTING, mesos.TASK_RUNNING:
			case mesos.TASK_FINISHED:
				finished++
				ended++
			default:
				ended++
			}
		case scheduler.Event_ERROR:
			fmt.Println("error", event.GetError().GetMessage())
			os.Exit(1)
		}
	}
	send(&scheduler.Call{Type: scheduler.Call_TEARDOWN})
	fmt.Printf("finished %d of %d\n", finished, count)
	if finished != count {
		os.Exit(1)
	}
}
