"""The promise on the first page: an agent behind POST /run."""


def test_run_answers_from_echo_in_its_own_process(agentd):
    daemon = agentd("agents: { hello: { plugin: echo } }").wait_ready()
    reply = daemon.run("hi")
    assert reply.status == 200
    assert reply.json["content"] == "hi"
    assert daemon.pid_of("hello") != daemon.pid
