# Featurescope. `make` installs, builds a store of photographs and serves the dashboard; `make help` lists the rest.

PYTHON ?= python3
VENV   := .venv
PY     := $(VENV)/bin/python

# A store to make: a model, images, and where to write.
# CONFIG is a file of options, over which those given here win.
CONFIG     ?=
MODEL      ?= demo
WEIGHTS    ?=
CHECKPOINT ?=
CHECKPOINT_KEY ?=
CLASSES    ?=
IMAGES     ?= demo
STORE      ?= stores/$(notdir $(basename $(lastword $(subst :, ,$(MODEL)))))
DEVICE     ?= auto
LIMIT      ?=
ARGS       ?=

# Its input, where the model doesn't say it itself: see docs/images.md.
SIZE        ?=
RESIZE      ?=
CROP        ?=
FIT         ?=
PAD         ?=
CHANNELS    ?=
MEAN        ?=
STD         ?=
VALUE_MAX   ?=
VALUE_RANGE ?=
INTERPOLATION ?=

# The dashboard.
STORES ?= stores
HOST   ?= 127.0.0.1
PORT   ?= 8501
TRUST  ?=
FINDINGS ?= findings
RESULTS_MB ?=

# Fuzzing.
COUNT ?= 100000
RUNS  ?= 1000000

INSTALLED := $(VENV)/.installed
# What is given stays as it is: the shell looks into double quotes, but not into these.
quoted = '$(subst ','\'',$($(1)))'
# With an equals sign, since a value may begin with a minus.
option = $(if $(strip $($(2))),--$(1)=$(call quoted,$(2)))
# A default of this file's is not given where CONFIG may say otherwise.
given = $(if $(and $(strip $(CONFIG)),$(filter file,$(origin $(2)))),,--$(1)=$(call quoted,$(2)))

.DEFAULT_GOAL := run
.PHONY: run help install store store-digits dashboard findings check test fuzz torture load bench gpu-check docs gallery screenshots clean

run: stores/photographs/CURRENT ## install, build a store of photographs, serve it, and build the small demo store meanwhile
	@[ -e stores/demo/CURRENT ] || { setsid nice $(MAKE) --no-print-directory stores/demo/CURRENT >stores/demo.log 2>&1 & demo=$$!; }; \
	trap '[ -z "$$demo" ] || kill -- -$$demo 2>/dev/null' EXIT; \
	trap 'exit 130' INT TERM; \
	$(MAKE) --no-print-directory dashboard STORES="stores/photographs,$(STORES)"

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

install: $(INSTALLED) ## install pinned dependencies into .venv and bundle the front end

FRONTEND := dashboard/components/build.py dashboard/components/package-lock.json \
  $(wildcard dashboard/components/frontend/*.* dashboard/components/frontend/*/*.*)

$(INSTALLED): requirements.txt constraints.txt $(FRONTEND)
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Featurescope needs Python 3.11 or newer; set PYTHON=python3.11")'
	$(PYTHON) -m venv $(VENV)
	$(PY) -m pip install --quiet --disable-pip-version-check -r requirements.txt -c constraints.txt
	$(PY) dashboard/components/build.py
	@touch $@

# The images are the size of the network's input. Occlusion: 25 patches an image.
stores/photographs/CURRENT:
	@$(MAKE) --no-print-directory store MODEL=efficientnet-lite0 IMAGES=photographs RESIZE=224 \
	  STORE=stores/photographs ARGS="--occlusion-stride 42"

stores/demo/CURRENT:
	@$(MAKE) --no-print-directory store MODEL=demo IMAGES=demo STORE=stores/demo

store: install ## build a store: CONFIG=store.toml, or MODEL= WEIGHTS= CHECKPOINT= CHECKPOINT_KEY= CLASSES= IMAGES= STORE= DEVICE= LIMIT= ARGS=, and its input: SIZE= RESIZE= CROP= FIT= PAD= CHANNELS= MEAN= STD= VALUE_MAX= VALUE_RANGE= INTERPOLATION=
	$(PY) -m compute store $(call option,config,CONFIG) $(call given,model,MODEL) $(call given,images,IMAGES) \
	  $(call given,store,STORE) $(call given,device,DEVICE) $(call option,weights,WEIGHTS) \
	  $(call option,checkpoint,CHECKPOINT) $(call option,checkpoint-key,CHECKPOINT_KEY) $(call option,classes,CLASSES) \
	  $(call option,size,SIZE) $(call option,resize,RESIZE) $(call option,crop-fraction,CROP) \
	  $(call option,fit,FIT) $(call option,pad-value,PAD) $(call option,interpolation,INTERPOLATION) \
	  $(call option,channels,CHANNELS) $(call option,mean,MEAN) $(call option,std,STD) \
	  $(call option,value-max,VALUE_MAX) $(call option,value-range,VALUE_RANGE) \
	  $(call option,limit,LIMIT) $(ARGS)

store-digits: ## build the store of the one-channel demo: scikit-learn's handwritten digits
	@$(MAKE) --no-print-directory store MODEL=digits IMAGES=digits STORE=stores/digits

dashboard: install ## serve the stores: STORES= DEVICE=auto HOST=127.0.0.1 PORT=8501 TRUST=model_file.py:function FINDINGS= RESULTS_MB=1024 ARGS=
	$(PY) -m dashboard --stores $(call quoted,STORES) --device $(call quoted,DEVICE) --host $(call quoted,HOST) \
	  --port $(call quoted,PORT) --findings $(call quoted,FINDINGS) $(call option,trust-model,TRUST) $(call option,results-mb,RESULTS_MB) $(ARGS)

findings: install ## say which findings still hold: STORES= FINDINGS= DEVICE= TRUST= ARGS=--current
	$(PY) -m dashboard.findings --stores $(call quoted,STORES) --findings $(call quoted,FINDINGS) --device $(call quoted,DEVICE) \
	  $(call option,trust-model,TRUST) $(ARGS)

# Else each of the tests' many processes would compile all modules anew.
check test: export PYTHONDONTWRITEBYTECODE =

check: install ## format, lint, types and the quick tests: a minute and a half
	$(PY) -m ruff format --check --quiet .
	$(PY) -m ruff check --quiet .
	$(PY) -m mypy
	OMP_NUM_THREADS=1 $(PY) -m pytest tests -n 2 --dist worksteal -m "not browser and not slow"

test: install ## run the tests, two at a time with a thread each
	OMP_NUM_THREADS=1 $(PY) -m pytest tests -n 2 --dist worksteal

fuzz: install ## 100,000 damaged images in small processes, a million atheris runs on each parser: COUNT= RUNS=
	$(PY) -m tests.fuzz.images --count $(COUNT)
	$(PY) -m pip install --quiet --disable-pip-version-check -r tests/fuzz/requirements.txt
	for parser in decoding reading manifest link finding; do $(PY) -m tests.fuzz.parsers $$parser --runs $(RUNS) || exit 1; done

torture: install ## kill, fill, damage and race stores at full count (a quarter of an hour and more)
	$(PY) -m tests.torture

load: install ## visitors at once, every live result computed again: ARGS="--browsers 10 --clients 0 --minutes 3"
	$(PY) -m tests.load $(ARGS)

bench: install ## run the benchmarks that need no data, each against its peer: ARGS="one_pass live" for some
	$(PY) -m tests.benchmarks $(ARGS)

gpu-check: install ## hold a CUDA device against the CPU, value by value, and measure it: ARGS="stores methods --device cuda:1"
	$(PY) -m tests.gpu_check $(ARGS)

docs: install ## write what in docs/ follows from the code: tables, methods, reports, benchmarks
	$(PY) -m docs.generate

gallery: stores/photographs/CURRENT ## make the gallery of docs/methods.md from the store of photographs, one picture a method
	$(PY) docs/gallery.py stores/photographs docs/gallery

stores/demo-untrained/CURRENT:
	@$(MAKE) --no-print-directory store MODEL=torchvision:squeezenet1_1 WEIGHTS=none SIZE=96 IMAGES=demo \
	  STORE=stores/demo-untrained ARGS="--stages activations,neighbors,embeddings"

stores/photographs-untrained/CURRENT:
	@$(MAKE) --no-print-directory store MODEL=efficientnet-lite0 WEIGHTS=none IMAGES=photographs RESIZE=224 \
	  STORE=stores/photographs-untrained ARGS="--stages activations,neighbors,embeddings"

screenshots: stores/photographs/CURRENT stores/photographs-untrained/CURRENT ## take a screenshot of every page for README (needs Chromium)
	$(PY) -m docs.screenshots docs/pages

clean: ## remove the virtual environment and what was built (never a store)
	rm -rf $(VENV) dashboard/components/node_modules dashboard/components/dist build featurescope.egg-info
