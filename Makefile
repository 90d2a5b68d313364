# Short names for the contest of users, as its first readers know them: thin wrappers over pouco-lab, which
# does the work.
#
#   make up             start pouco with its data, and say how to ask it
#   make up-NAME        the same for pouco, go-chi, fastapi, django, actix
#   make logs-NAME      the last lines of what runs
#   make down           stop the running contestant, and remove its volumes
#   make bench-NAME     the contest with k6 for one of them, and a report
#   make up-go, up-py, logs-go, logs-py, bench-go, bench-py
#                       the same for go-chi and fastapi
#   make bench-single   the contest for all of them, each with one process
#   make bench-multi    the contest for all of them, each with four
#   make clean          stop every running contestant, and remove all volumes
#
# Settings: cp lab/contests/users/.env.example .env. Another contest: make up-pouco CONTEST=people BUDGET=
-include .env

CONTEST ?= users
BUDGET ?= single
TIMES ?= 1
OPTIONS ?=

LAB = cargo run --quiet --release -p pouco-lab --
WITHIN = $(if $(BUDGET),--budget $(BUDGET))

.DEFAULT_GOAL := help
.PHONY: help up down clean bench-single bench-multi up-go up-py logs-go logs-py bench-go bench-py

help:
	@sed -n 's/^#   //p' Makefile

up: up-pouco

# By the names of those who know the two by their languages.
up-go: up-go-chi
up-py: up-fastapi
logs-go: logs-go-chi
logs-py: logs-fastapi
bench-go: bench-go-chi
bench-py: bench-fastapi

up-%:
	$(LAB) up $(CONTEST) --contestant $* $(WITHIN)

down:
	$(LAB) down $(CONTEST)

logs-%:
	$(LAB) logs $(CONTEST) --contestant $*

bench-single bench-multi: bench-%:
	$(LAB) run $(CONTEST) --budget $* --times $(TIMES) $(OPTIONS)

bench-%:
	$(LAB) run $(CONTEST) --contestant $* $(WITHIN) --times $(TIMES) $(OPTIONS)

clean:
	$(LAB) down people
	$(LAB) down users
	$(LAB) down edge
	$(LAB) down inventory
