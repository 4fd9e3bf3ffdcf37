// A scheduler on mesos-framework 0.5.3 for Node.js: `node scheduler.js HOST:PORT COUNT` runs COUNT command tasks; it exits with 0 if all
// finished. The library writes its log into ./logs.
"use strict";
const { createRequire } = require("module");
const { Scheduler, Mesos } = createRequire(process.cwd() + "/")("mesos-framework");

const messages = Mesos.getMesos();
const [host, port] = process.argv[2].split(":");
const count = Number(process.argv[3]);
const finished = new Set();

const scheduler = new Scheduler({
    masterUrl: host,
    port: Number(port),
    frameworkName: "mesos-framework",
    logging: { level: "error" },
    restartStates: [],
    tasks: {
        hello: {
            priority: 1,
            instances: count,
            commandInfo: new messages.CommandInfo(null, null, true, "exit 0", null, null),
            resources: { cpus: 0.1, mem: 32, ports: 0, disk: 0 },
        },
    },
    handlers: {
        UPDATE: function (update) {
            const status = update.status;
            console.log(status.task_id.value, status.state);
            this.acknowledge(update);
            if (status.state === "TASK_FINISHED") {
                finished.add(status.task_id.value);
            }
            if (finished.size === count) {
                console.log(`finished ${count} of ${count}`);
                this.teardown();
                setTimeout(() => process.exit(0), 200);
            }
        },
    },
});
scheduler.on("error", () => {}); // it also tells of the end of the stream after TEARDOWN
scheduler.on("ready", () => scheduler.subscribe());
