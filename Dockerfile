# An image that serves demo/production.py, and the base of your own:
#
#   docker build -t fastrtc-core .
#   docker run -p 8000:8000 -p 40000:40000/udp -p 40000:40000/tcp \
#       -e ADVERTISED_ADDRESS=203.0.113.7 fastrtc-core
#
# EXTRAS names extras of the package, such as "[metrics,vad,stt,tts]", or "[metrics,ui]" for Gradio.

ARG PYTHON=3.13

FROM python:${PYTHON}-slim AS build
ARG EXTRAS="[metrics]"
WORKDIR /source
COPY . .
RUN python -m venv /opt/app \
    && /opt/app/bin/pip install --no-cache-dir ".${EXTRAS}"

FROM python:${PYTHON}-slim
RUN useradd --uid 10001 --create-home app
COPY --from=build /opt/app /opt/app
WORKDIR /home/app
COPY demo/production.py app.py
ENV PATH=/opt/app/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    MEDIA_PORT=40000
USER 10001
EXPOSE 8000/tcp 40000/udp 40000/tcp
HEALTHCHECK --interval=10s --timeout=3s CMD ["python", "-c", "import urllib.request as r; r.urlopen('http://127.0.0.1:8000/healthz', timeout=2)"]
CMD ["uvicorn", "app:app", "--host", "0.0.0.0", "--port", "8000", "--ws-max-size", "22020096", "--ws-per-message-deflate", "false"]
