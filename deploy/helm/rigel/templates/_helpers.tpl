{{- define "rigel.labels" -}}
app.kubernetes.io/name: rigel
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}
{{- define "rigel.name" -}}
{{ .Release.Name | trunc 52 | trimSuffix "-" }}
{{- end }}
